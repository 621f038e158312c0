"""An open loop: deliveries are sent at times fixed beforehand, whatever becomes of those before.

A plan of rates comes in, a tally goes out. Latency counts from when a delivery was due, so a
server that stalls cannot hide what waits meanwhile; how late the sender itself was is counted
apart.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.connection import Answer, Connection, Sent
from bench.holds.numbered import request
from bench.holds.sender.tally import REFUSED, RESET, TIMEOUT, UNCONNECTED, Tally

ANSWER_SECONDS = 10.0
_TICK_SECONDS = 0.001
_SWEEP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the plan.

    Args:
        rate: Deliveries per second.
        seconds: How long.
    """

    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Pool:
    """How a sender uses connections.

    Args:
        kept: Connections kept open all the time, and opened again when they are closed.
        most: Connections at once; more are opened when none is idle, up to this.
        fresh_every: Each so many deliveries one goes on a connection of its own; 0 for never.
        answer_seconds: How long an answer may take.
    """

    kept: int = 64
    most: int = 1000
    fresh_every: int = 0
    answer_seconds: float = ANSWER_SECONDS


def times_of(plan: Sequence[Stretch]) -> Iterator[float]:
    """Give when each delivery of a plan is due, in seconds from its start."""
    begin = 0.0
    for stretch in plan:
        for number in range(round(stretch.rate * stretch.seconds)):
            yield begin + number / stretch.rate
        begin += stretch.seconds


class OpenLoop:
    """A sender that keeps to a plan.

    Args:
        port: The server's.
        plan: When to send.
        pool: How connections are used.
        first: Number of the first delivery.
        make: Makes the request of a number.
        progress: Is told now and then how many deliveries have their outcome.
    """

    def __init__(
        self,
        port: int,
        plan: Sequence[Stretch],
        pool: Pool,
        *,
        first: int = 0,
        make: Callable[[int], bytes] = request,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._port = port
        self._make = make
        self._times = times_of(plan)
        self._pool = pool
        self._next = first
        self._progress = progress
        self._idle: deque[Connection] = deque()
        self._unsent: deque[Sent] = deque()
        self._busy: set[Connection] = set()
        self._kept: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._over = False
        self._tally = Tally()

    def stop(self) -> None:
        """Begin with none but the next delivery; what is under way is brought to its end."""
        self._times = iter(())

    async def run(self) -> Tally:
        """Send all that is planned, and return when each delivery has its outcome."""
        for _ in range(self._pool.kept):
            self._open(None, keep=True)
        await asyncio.wait(self._opening)
        self._tally.started = time.monotonic()
        next_sweep = 0.0
        due = next(self._times, None)
        while due is not None or self._tally.finished < self._tally.due:
            now = time.monotonic()
            while due is not None and self._tally.started + due <= now:
                self._launch(self._tally.started + due)
                self._tally.lates_ms.append(1000 * (now - self._tally.started - due))
                due = next(self._times, None)
            if now >= next_sweep:
                next_sweep = now + _SWEEP_SECONDS
                self._sweep(now)
            await asyncio.sleep(_TICK_SECONDS)
        self._end()
        return self._tally

    def _launch(self, due: float) -> None:
        sent = Sent(self._next, due, 0.0)
        self._next += 1
        self._tally.due += 1
        every = self._pool.fresh_every
        if every and self._tally.due % every == 0:
            self._open(sent, keep=False)
            return
        self._unsent.append(sent)
        self._hand_out()

    def _hand_out(self) -> None:
        """Send what is due on idle connections, oldest first, and open more where none is."""
        while self._unsent and self._idle:
            connection = self._idle.popleft()
            if connection.is_open:
                self._send(connection, self._unsent.popleft())
        room = self._pool.most - len(self._kept) - len(self._opening)
        for _ in range(min(len(self._unsent) - len(self._opening), room)):
            self._open(None, keep=True)

    def _send(self, connection: Connection, sent: Sent) -> None:
        sent.at = time.monotonic()
        self._tally.lags_ms.append(1000 * (sent.at - sent.due))
        self._busy.add(connection)
        connection.send(sent, self._make(sent.number))

    def _open(self, sent: Sent | None, *, keep: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(sent, keep=keep))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, sent: Sent | None, *, keep: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._pool.answer_seconds):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._answered, self._lost), "127.0.0.1", self._port
                )
        except (OSError, TimeoutError) as error:
            self._unopened(sent, error)
            return
        if keep:
            self._kept.add(connection)
        if sent is not None:
            self._send(connection, sent)
        elif connection.is_open:
            self._idle.append(connection)
            self._hand_out()

    def _unopened(self, sent: Sent | None, error: Exception) -> None:
        """Note a connection that did not come about; what it was for, or the oldest that waits."""
        if sent is None and self._unsent:
            sent = self._unsent.popleft()
        outcome = REFUSED if isinstance(error, ConnectionRefusedError) else UNCONNECTED
        if sent is not None:
            self._tally.failed(outcome, sent.due)
        else:
            self._tally.unopened[outcome] += 1

    def _answered(self, connection: Connection, sent: Sent, answer: Answer) -> None:
        self._busy.discard(connection)
        self._tally.answered(sent, answer, time.monotonic())
        if answer.closes or connection not in self._kept:
            connection.close()
        else:
            self._idle.append(connection)
            self._hand_out()

    def _lost(self, connection: Connection) -> None:
        self._busy.discard(connection)
        if connection.sent is not None:
            self._tally.failed(RESET, connection.sent.due)
            connection.sent = None
        elif connection in self._idle:
            self._idle.remove(connection)
            self._tally.idle_closed += not self._over
        if connection in self._kept:
            self._kept.discard(connection)
            if not self._over and len(self._kept) + len(self._opening) < self._pool.kept:
                self._open(None, keep=True)

    def _sweep(self, now: float) -> None:
        self._progress(self._tally.finished)
        while self._unsent and now - self._unsent[0].due > self._pool.answer_seconds:
            self._tally.failed(UNCONNECTED, self._unsent.popleft().due)
        for connection in list(self._busy):
            sent = connection.sent
            if sent is not None and now - sent.at > self._pool.answer_seconds:
                connection.sent = None
                self._busy.discard(connection)
                self._tally.failed(TIMEOUT, sent.due)
                connection.close()

    def _end(self) -> None:
        self._over = True
        for connection in [*self._kept, *self._busy]:
            connection.close()
