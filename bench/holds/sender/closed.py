"""A closed loop: each connection sends its next delivery as soon as the last is answered.

Numbers come in, a tally goes out. The rate is what the server makes of it.
"""

import asyncio
import time
from collections.abc import Callable

from bench.connection import Answer, Connection, Sent
from bench.holds.numbered import request
from bench.holds.sender.tally import REFUSED, RESET, TIMEOUT, UNCONNECTED, Tally

_ANSWER_SECONDS = 30.0
_PROGRESS_SECONDS = 0.1


class ClosedLoop:
    """A sender that keeps all its connections busy.

    Args:
        port: The server's.
        first: Number of the first delivery.
        events: How many at most.
        seconds: How long at most.
        connections: How many at once; one that is closed is opened again.
        progress: Is told now and then how many deliveries have their outcome.
    """

    def __init__(
        self,
        port: int,
        *,
        first: int = 0,
        events: int = 1_000_000_000,
        seconds: float = 1e9,
        connections: int = 64,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._port = port
        self._next = first
        self._end = first + events
        self._seconds = seconds
        self._wanted = connections
        self._progress = progress
        self._open: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._tally = Tally()
        self._last_answer = 0.0

    async def run(self) -> Tally:
        """Send until all is answered."""
        self._tally.started = self._last_answer = time.monotonic()
        until = self._tally.started + self._seconds
        for _ in range(self._wanted):
            self._connect()
        while self._is_busy() and time.monotonic() - self._last_answer < _ANSWER_SECONDS:
            await asyncio.sleep(_PROGRESS_SECONDS)
            self._progress(self._tally.finished)
            if time.monotonic() >= until:
                self._end = self._next
        self._end = self._next
        for connection in list(self._open):
            self._give_up(connection)
        return self._tally

    def _is_busy(self) -> bool:
        return self._next < self._end or self._tally.finished < self._tally.due

    def _connect(self) -> None:
        task = asyncio.get_running_loop().create_task(self._begin())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._answered, self._lost), "127.0.0.1", self._port
            )
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            self._tally.unopened[REFUSED if refused else UNCONNECTED] += 1
            return
        self._open.add(connection)
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        if self._next >= self._end:
            connection.close()
            return
        number, now = self._next, time.monotonic()
        self._next += 1
        self._tally.due += 1
        connection.send(Sent(number, now, now), request(number))

    def _answered(self, connection: Connection, sent: Sent, answer: Answer) -> None:
        self._last_answer = now = time.monotonic()
        self._tally.answered(sent, answer, now)
        if answer.closes:
            connection.close()
        else:
            self._send(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection.sent is not None:
            self._tally.failed(RESET, connection.sent.due)
            connection.sent = None
        if self._next < self._end:
            self._connect()

    def _give_up(self, connection: Connection) -> None:
        if connection.sent is not None:
            self._tally.failed(TIMEOUT, connection.sent.due)
            connection.sent = None
        connection.close()
