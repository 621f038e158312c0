"""Senders' connections: accepted one at a time, and bounded in number.

Where several processes accept on one socket, each takes one connection whenever it is ready, so
that the busy ones take fewer. At the limit the connection that is quiet for longest makes room,
then the body that is longest unfinished: who does nothing cannot keep out who sends.

Source: aiohttp, `web.Server`; asyncio, `loop.connect_accepted_socket`; docs/adr/0014.
"""

import asyncio
import socket
from collections.abc import Sequence

import structlog
from aiohttp import web

from relay.metrics import Metrics
from relay.receive.body import Budget
from relay.receive.routes import Ingress

# How long accepting pauses where nothing can make room, or the system has none.
PAUSE_SECONDS = 0.05
# For so long a connection that was made, or answered, counts as one that will send.
NEW_SECONDS = 1.0
# By then a request that was being read when its connection was to close is being answered.
PART_SECONDS = 0.02
LONG_PAUSE_SECONDS = 1.0

_log = structlog.get_logger("relay.receive")


class Connections(web.Server):
    """Makes a protocol for each connection, and knows which of them are quiet.

    Args:
        ingress: Answers the requests.
        budget: Knows the bodies that are unfinished.
        metrics: Counts what had to make room.
        limit: How many may be open.
        idle_seconds: How long one may be without the whole head of a request.
    """

    def __init__(
        self,
        ingress: Ingress,
        budget: Budget,
        metrics: Metrics,
        *,
        limit: int,
        idle_seconds: float,
    ) -> None:
        super().__init__(
            ingress,
            # aiohttp would unpack compressed bodies: other bytes than were signed, and bombs.
            auto_decompress=False,
            keepalive_timeout=idle_seconds,
            access_log=None,
        )
        self._quiet = ingress.quiet
        self._unread = ingress.unread
        self._budget = budget
        self._metrics = metrics
        self._limit = limit
        self._leaving: set[web.RequestHandler] = set()
        self._sockets: list[socket.socket] = []
        self._pauses: set[asyncio.TimerHandle] = set()
        self._arriving: set[asyncio.Task[object]] = set()
        self.count = 0

    def accept_on(self, sockets: Sequence[socket.socket]) -> None:
        """Take connections from listening sockets, until `stop_accepting`.

        Args:
            sockets: They stay the caller's.
        """
        for listening in sockets:
            listening.settimeout(0)
            self._sockets.append(listening)
            self._listen(listening)

    def stop_accepting(self) -> None:
        """Take no more; those that wait are left to whoever else accepts on the sockets."""
        for pause in self._pauses:
            pause.cancel()
        self._pauses.clear()
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
        self._sockets.clear()

    @property
    def are_gone(self) -> bool:
        """Whether none is open, nor just arriving."""
        return not self.count and not self._arriving

    def close_quiet(self) -> None:
        """Close those on which nothing is being answered."""
        for handler in list(self._quiet):
            self._part_with(handler)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Take note of a new one."""
        super().connection_made(handler, transport)
        self.count += 1
        self._quiet[handler] = asyncio.get_running_loop().time()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Take note of its end."""
        super().connection_lost(handler, exc)
        self.count -= 1
        self._quiet.pop(handler, None)
        self._leaving.discard(handler)
        if (unread := self._unread.pop(handler, None)) is not None:
            # aiohttp would read on for ten seconds from nobody, and keep all of the connection.
            unread.feed_eof()

    def _part_with(self, handler: web.RequestHandler) -> None:
        """Close a quiet one, but answer the request first that may have come this very moment."""
        self._quiet[handler] = self._quiet.pop(handler)  # behind those that stay
        self._leaving.add(handler)
        handler.close()
        asyncio.get_running_loop().call_later(PART_SECONDS, self._end_if_quiet, handler)

    def _end_if_quiet(self, handler: web.RequestHandler) -> None:
        if handler in self._quiet:
            handler.force_close()

    def _listen(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _pause(self, listening: socket.socket, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)

        def go_on() -> None:
            self._pauses.discard(pause)
            self._listen(listening)

        pause = loop.call_later(seconds, go_on)
        self._pauses.add(pause)

    def _accept(self, listening: socket.socket) -> None:
        if self.count + len(self._arriving) >= self._limit and not self._make_room():
            self._pause(listening, PAUSE_SECONDS)
            return
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process took it, or the sender is gone already
        except OSError as error:
            _log.error("accepting_failed", error=type(error).__name__, errno=error.errno)
            self._pause(listening, LONG_PAUSE_SECONDS)
            return
        connection.settimeout(0)
        loop = asyncio.get_running_loop()
        task: asyncio.Task[object] = loop.create_task(
            loop.connect_accepted_socket(self, connection), name="connection"
        )
        self._arriving.add(task)
        task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[object]) -> None:
        self._arriving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The sender was gone before it was here.
            _log.debug("connection_failed", error=type(error).__name__)

    def _make_room(self) -> bool:
        handler = next((one for one in self._quiet if one not in self._leaving), None)
        now = asyncio.get_running_loop().time()
        # One that has just come is about to send; a body that does not come has had its time.
        is_new = handler is None or now - self._quiet[handler] < NEW_SECONDS
        if is_new and self._budget.cut_oldest():
            self._metrics.connection_closed("unfinished")
            return True
        if handler is None:
            return False
        self._part_with(handler)
        self._metrics.connection_closed("idle")
        return True
