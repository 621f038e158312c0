"""Events that wait for a flush: who may join, and who goes next.

Bounded by number, by bytes, and by how long the newcomer would have to wait as the store answers
now: a sender that will get 503 should get it while it still listens.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from relay.append.caps import StreamLimits
from relay.append.script import Packed
from relay.contract.errors import Overloaded
from relay.contract.event import Appended, Duplicate

# How much one flush counts in what is expected of the next: after ten fast ones a tenth is left of
# a stall.
NEWEST_PART = 0.2


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is sent at once, and how much may wait.

    Args:
        batch_events: Events per flush at most. More only makes the last of them wait longer.
        batch_bytes: Bytes per flush, unless one event alone is longer.
        waiting_events: Events that may wait for a flush before new ones are refused.
        waiting_bytes: Their bytes, in the same way.
        streams: What single streams take.
        deadline_seconds: How long an event may wait for the store's word. Senders wait a few
            seconds; a blip of the store should not cost them a retry.
    """

    batch_events: int = 128
    batch_bytes: int = 1024 * 1024
    waiting_events: int = 10_000
    waiting_bytes: int = 64 * 1024 * 1024
    streams: StreamLimits = field(default_factory=StreamLimits)
    deadline_seconds: float = 2.0


class Waiting:
    """One event with whom to tell what became of it.

    Args:
        event: As the script takes it.
        answer: Where the result goes.
        since: When it came, in the loop's time.
    """

    __slots__ = ("answer", "event", "since")

    def __init__(
        self, event: Packed, answer: asyncio.Future[Appended | Duplicate], since: float
    ) -> None:
        self.event = event
        self.answer = answer
        self.since = since


class Queue:
    """Those who wait, in order of arrival.

    Args:
        limits: How many may.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._events: deque[Waiting] = deque()
        self._flush_seconds = 0.0
        self._next_events = min(limits.batch_events, limits.waiting_events)
        self._next_bytes = min(limits.batch_bytes, limits.waiting_bytes)
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._events)

    def join(self, waiting: Waiting) -> None:
        """Wait behind the others.

        Raises:
            Overloaded: There is no room, or it would take more than half the deadline until the
                event's turn.
        """
        # Those that fit into the next flush need not be counted.
        if self.size_bytes >= self._next_bytes or len(self._events) >= self._next_events:
            self._judge()
        self._events.append(waiting)
        self.size_bytes += waiting.event.size_bytes

    def put_first(self, batch: Iterable[Waiting]) -> None:
        """Have those wait by their arrival who were waiting already; there is room for them.

        Deadlines are looked through from the first on.
        """
        taken = list(batch)
        self.size_bytes += sum(waiting.event.size_bytes for waiting in taken)
        self._events = deque(sorted([*taken, *self._events], key=lambda waiting: waiting.since))

    def next_batch(self) -> list[Waiting]:
        """Take the oldest that go together in one flush."""
        events, limits = self._events, self._limits
        batch: list[Waiting] = []
        size_bytes = 0
        while events and len(batch) < limits.batch_events:
            size_bytes += events[0].event.size_bytes
            if batch and size_bytes > limits.batch_bytes:
                break
            batch.append(events.popleft())
            self.size_bytes -= batch[-1].event.size_bytes
        return batch

    def clear(self) -> list[Waiting]:
        """Have nobody wait any more, and give those who did."""
        everyone = list(self._events)
        self._events.clear()
        self.size_bytes = 0
        return everyone

    def learn(self, seconds: float) -> None:
        """Take note of how long the store took for a flush."""
        self._flush_seconds += NEWEST_PART * (seconds - self._flush_seconds)

    def _judge(self) -> None:
        limits = self._limits
        count, size_bytes = len(self._events), self.size_bytes
        if count >= limits.waiting_events or size_bytes >= limits.waiting_bytes:
            raise Overloaded
        # If the store goes on as it did of late: one flush is under way, and then there is the
        # newcomer's own.
        flushes = 2 + max(count // limits.batch_events, size_bytes // limits.batch_bytes)
        if flushes * self._flush_seconds > limits.deadline_seconds / 2:
            raise Overloaded
