"""Senders' connections: accepted one at a time, and bounded in number.

Where several processes accept on one socket, each takes one connection whenever it is ready, so
that the busy ones take fewer. At the limit the connection that is quiet for longest makes room,
then the body that is longest unfinished: who does nothing cannot keep out who sends.

Source: aiohttp, `web.Server`; asyncio, `loop.connect_accepted_socket`; docs/adr/0014.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, cast

import structlog
from aiohttp import web

from relay.contract.errors import MalformedRequest
from relay.http.answers import problem
from relay.metrics import Metrics
from relay.receive.body import Budget
from relay.receive.routes import Ingress

# A head is the request's line and so many headers, none longer than a line.
MAX_LINE_BYTES = 8190
MAX_HEADERS = 100
# How long accepting pauses where nothing can make room, or the system has none.
PAUSE_SECONDS = 0.05
# For so long a connection that was made, or answered, counts as one that will send.
NEW_SECONDS = 1.0
# By then a request that was being read when its connection was to close is being answered.
PART_SECONDS = 0.02
# So long a closed one may take to take its answer.
UNSENT_SECONDS = 1.0
SWEEP_SECONDS = 1.0
# A head may be so long, and is cut before it has twice as much and one packet.
HEAD_BYTES = 32 * 1024
# After so many turns of the loop the request of a whole head is being answered.
TURNS = 8
LONG_PAUSE_SECONDS = 1.0

_log = structlog.get_logger("relay.receive")


class Connection(web.RequestHandler):
    """One connection, which ends where a head grows on and on.

    aiohttp bounds each header and their number, and by that a head only at a megabyte; what waits
    for the rest of it stands in no budget. So each `HEAD_BYTES` it is looked whether a request
    has begun since.
    """

    __slots__ = ("_ingress", "_kept_transport", "_look_at_bytes", "_quiet_since", "_received_bytes")

    def __init__(
        self,
        server: web.Server,
        ingress: Ingress,
        **options: Any,  # noqa: ANN401 - aiohttp's own
    ) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._kept_transport: asyncio.Transport | None = None
        self._ingress = ingress
        self._quiet_since: float | None = None
        self._received_bytes = 0
        self._look_at_bytes = HEAD_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the transport, which aiohttp forgets before all is sent."""
        super().connection_made(transport)
        # Not asked what it is: that of uvloop says no to every class of asyncio's.
        self._kept_transport = cast("asyncio.Transport", transport)

    @property
    def waits(self) -> bool:
        """Whether it waits for a request of which nothing is to be answered yet."""
        return self._waiter is not None and not self._waiter.done()

    def end(self) -> None:
        """End it at once, whatever is still to be sent."""
        if self._kept_transport is not None:
            self._kept_transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP in our own words: those of aiohttp repeat what was sent."""
        if status != MalformedRequest.status or request.writer.output_size:
            return super().handle_error(request, status, exc, message)
        response = problem(MalformedRequest())
        response.force_close()
        return response

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._received_bytes += len(data)
        if self._received_bytes >= self._look_at_bytes:
            self._look(len(data))
        super().data_received(data)

    def _look(self, came_bytes: int) -> None:
        since = self._ingress.quiet.get(self)
        if (
            since is not None
            and not self._is_read_on()
            and (since == self._quiet_since or came_bytes >= HEAD_BYTES)
        ):
            self._end_unless_begun(since, TURNS)
        self._quiet_since = since
        self._look_at_bytes = self._received_bytes + HEAD_BYTES

    def _is_read_on(self) -> bool:
        """Tell whether what comes is a body that was refused; its sender shall see the answer."""
        body = self._ingress.unread.get(self)
        return body is not None and not body.is_eof()

    def _end_unless_begun(self, since: float, turns: int) -> None:
        if self._ingress.quiet.get(self) != since:
            return
        if turns:  # a request may have come with this very packet
            asyncio.get_running_loop().call_soon(self._end_unless_begun, since, turns - 1)
        else:
            self.end()


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
        super().__init__(ingress)
        self._options = {
            # aiohttp would unpack compressed bodies: other bytes than were signed, and bombs.
            "auto_decompress": False,
            "max_line_size": MAX_LINE_BYTES,
            "max_headers": MAX_HEADERS,
            "max_field_size": MAX_LINE_BYTES,
            "keepalive_timeout": idle_seconds,
            "access_log": None,
        }
        self._idle_seconds = idle_seconds
        self._ingress = ingress
        self._budget = budget
        self._metrics = metrics
        self._limit = limit
        # Those that must go need a moment for it; beyond this nobody comes before they are gone.
        self._most = limit + max(16, limit // 8)
        self._leaving: set[web.RequestHandler] = set()
        self._sockets: list[socket.socket] = []
        self._pauses: set[asyncio.TimerHandle] = set()
        self._arriving: set[asyncio.Task[object]] = set()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self.count = 0

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of a new connection."""
        return Connection(self, self._ingress, **self._options)

    def accept_on(self, sockets: Sequence[socket.socket]) -> None:
        """Take connections from listening sockets, until `stop_accepting`.

        Args:
            sockets: They stay the caller's.
        """
        for listening in sockets:
            listening.settimeout(0)
            self._sockets.append(listening)
            self._listen(listening)
        self._sweep_later()

    def stop_accepting(self) -> None:
        """Take no more; those that wait are left to whoever else accepts on the sockets."""
        for pause in self._pauses:
            pause.cancel()
        self._pauses.clear()
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
        self._sockets.clear()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    @property
    def are_gone(self) -> bool:
        """Whether none is open, nor just arriving."""
        return not self.count and not self._arriving

    def close_quiet(self) -> None:
        """Close those on which nothing is being answered."""
        for handler in list(self._ingress.quiet):
            self._part_with(handler)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Take note of a new one."""
        super().connection_made(handler, transport)
        self.count += 1
        self._ingress.quiet[handler] = asyncio.get_running_loop().time()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Take note of its end."""
        super().connection_lost(handler, exc)
        self.count -= 1
        self._ingress.quiet.pop(handler, None)
        self._leaving.discard(handler)
        if (unread := self._ingress.unread.pop(handler, None)) is not None:
            # aiohttp would read on for ten seconds from nobody, and keep all of the connection.
            unread.feed_eof()

    def _sweep_later(self) -> None:
        self._sweep_timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """End those that should have ended by now: they do not take what they were answered."""
        latest = asyncio.get_running_loop().time() - self._idle_seconds - SWEEP_SECONDS
        for handler, since in list(self._ingress.quiet.items()):
            if since > latest:
                break
            self._end_at_once(handler)
        self._sweep_later()

    def _part_with(self, handler: web.RequestHandler) -> None:
        """Close a quiet one, but answer the request first that may have come this very moment."""
        self._ingress.quiet[handler] = self._ingress.quiet.pop(handler)  # behind those that stay
        self._leaving.add(handler)
        if isinstance(handler, Connection) and handler.waits:
            # At once: what comes after `close` is not read, and would be reset with the connection.
            self._end_if_quiet(handler)
            return
        handler.close()
        asyncio.get_running_loop().call_later(PART_SECONDS, self._end_if_quiet, handler)

    def _end_if_quiet(self, handler: web.RequestHandler) -> None:
        if handler in self._ingress.quiet:
            handler.force_close()
            asyncio.get_running_loop().call_later(UNSENT_SECONDS, self._end_at_once, handler)

    def _end_at_once(self, handler: web.RequestHandler) -> None:
        """End one that was closed: while it takes no answer, it would stay for ever."""
        if handler in self._ingress.quiet and isinstance(handler, Connection):
            handler.end()

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
        there = self.count + len(self._arriving)
        if there >= self._limit:
            has_room = self._make_room()
            if there >= self._most or not has_room:
                self._pause(listening, PAUSE_SECONDS)
                return
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process took it, or the sender is gone already
        except OSError as error:
            _log.error("accepting_failed", error=type(error).__name__, errno=error.errno)
            # What is lacking is most likely what connections take.
            self._make_room()
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
        handler = next((one for one in self._ingress.quiet if one not in self._leaving), None)
        now = asyncio.get_running_loop().time()
        # One that has just come is about to send; a body that does not come has had its time.
        is_new = handler is None or now - self._ingress.quiet[handler] < NEW_SECONDS
        if is_new and self._budget.cut_oldest():
            self._metrics.connection_closed("unfinished")
            return True
        if handler is None:
            return False
        self._part_with(handler)
        self._metrics.connection_closed("idle")
        return True
