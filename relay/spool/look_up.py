"""Finds events in their streams that were sent so long ago that the dedupe index forgot them.

An event that was sent, whose answer was lost, and that is sent again within its window finds its
mark. Later it would make a second entry; so its first is looked for around the time it was sent.
What is found counts as stored, so as many replicas must have it as of any event.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.append.confirm import read_confirmed
from relay.contract.cluster import at
from relay.contract.connect import text_of
from relay.contract.event import IdentifiedEvent
from relay.contract.keys import UNIDENTIFIED, Keys
from relay.contract.script import Script
from relay.spool.row import Row, Stream

# How far our clock may be from the store's, and how long an event may have been under way.
APART_MS = 120_000
# The mark counts from the store's time, and is gone to the ms.
MARGIN_RATIO = 0.1
MARGIN_MS = 60_000
# Entries per command, and their bytes: the server has all of them in memory once more.
PAGE = 128
PAGE_BYTES = 1024 * 1024

SCRIPT = Script("relay.spool", "look_up")


@dataclass(frozen=True, slots=True)
class Due:
    """A row that is about to be sent, and what is in it.

    Args:
        row: The row.
        identified: Its event.
    """

    row: Row
    identified: IdentifiedEvent

    @property
    def stream(self) -> Stream:
        """Where it belongs."""
        return self.row.stream

    @property
    def tag(self) -> str:
        """Whose keys are on one server with it."""
        return self.row.stream[0]


def is_late(due: Due, now_ms: int) -> bool:
    """Tell whether the index may have forgotten that an event was sent.

    Args:
        due: The event.
        now_ms: Our time; a clock that was set back says nothing, so then it is late too.
    """
    if due.row.tried_at_ms is None:
        return False
    window_ms = 1000 * due.identified.window_seconds
    known_for_ms = window_ms - min(MARGIN_MS, MARGIN_RATIO * window_ms)
    return not 0 <= now_ms - due.row.tried_at_ms < known_for_ms


class LookUp:
    """Looks for entries.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        replicas: How many must have what is found, 0 for none.
    """

    def __init__(self, redis: Redis, keys: Keys, replicas: int = 0) -> None:
        self._redis = redis
        self._keys = keys
        self._replicas = replicas

    async def __call__(self, late: Sequence[Due]) -> set[int]:
        """Give the sequences of those that have an entry.

        One of a type too many lies in ``unidentified``, so that is looked through as well.

        Raises:
            RedisError: The store is away, a stream is none, or too few replicas have what is found.
        """
        by_stream: defaultdict[str, list[Due]] = defaultdict(list)
        for due in late:
            tag, event_type = due.row.stream
            by_stream[self._keys.stream(tag, event_type)].append(due)
            if event_type != UNIDENTIFIED:
                by_stream[self._keys.stream(tag, UNIDENTIFIED)].append(due)
        found: set[int] = set()
        for stream, several in by_stream.items():
            found |= await self._in_stream(stream, several)
        return found

    async def _in_stream(self, stream: str, late: Sequence[Due]) -> set[int]:
        times = [due.row.tried_at_ms or 0 for due in late]
        begin, end = str(max(0, min(times) - APART_MS)), str(max(times) + APART_MS)
        pairs = [
            part
            for due in late
            for part in (due.identified.event.id, due.identified.event.received_at_ms)
        ]
        found: set[int] = set()
        while begin:
            answer = await self._page(stream, late[0].row.stream[0], begin, end, *pairs)
            begin = text_of(answer[0])
            found |= {late[int(number) - 1].row.sequence for number in answer[1:]}
        return found

    async def _page(
        self, stream: str, tag: str, begin: str, end: str, *pairs: str | int
    ) -> list[bytes]:
        arguments = (begin, end, PAGE, PAGE_BYTES, *pairs)
        answer: list[bytes] = await SCRIPT(self._redis, [stream], *arguments)
        if not self._replicas or len(answer) == 1:
            return answer
        # Found again over the connection that is waited for: another may lead to another server.
        command = ("EVAL", SCRIPT.text, 1, stream, *arguments)
        fence = self._keys.fence(tag)
        again: list[bytes] = await read_confirmed(
            at(self._redis, fence), fence, self._replicas, command
        )
        return again
