"""Ends a listener without cutting a sender off.

A running listener comes in; it is let run out: nothing new is accepted, every answer says
``Connection: close``, and what is in flight is finished. It never closes a connection on which a
delivery is under way before the time given for that is over.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

# A sender that keeps its connection learns by the next answer that it must make another; one
# that sends nothing for this long is told by the end of the connection.
DRAIN_IDLE_SECONDS = 2.0
# For those that are cut in the end, to hear of it; 0 would mean for ever.
CUT_SECONDS = 0.5
POLL_SECONDS = 0.02

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Drain:
    """Knows which connections have a delivery under way, and lets a listener run out.

    Args:
        app: What is served; its answers change once `run_out` has begun.
    """

    def __init__(self, app: web.Application) -> None:
        self._is_draining = False
        self._busy: set[object] = set()

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._busy.add(request.protocol)
            try:
                return await handler(request)
            finally:
                self._finished(request)

        app.middlewares.insert(0, note)
        app.on_response_prepare.append(self._say_goodbye)

    async def run_out(self, runner: web.BaseRunner, within_seconds: float) -> None:
        """Stop accepting, and return when all connections have ended or time is up.

        Args:
            runner: What serves the application.
            within_seconds: How long deliveries in flight may go on.
        """
        self._is_draining = True
        for site in runner.sites:
            await site.stop()
        now = asyncio.get_running_loop().time()
        await _until_alone(runner, now + min(DRAIN_IDLE_SECONDS, within_seconds))
        for connection in _connections(runner):
            if connection not in self._busy:
                connection.force_close()
        await _until_alone(runner, now + within_seconds)

    def _finished(self, request: web.Request) -> None:
        connection = request.protocol
        if request.content.is_eof():
            self._busy.discard(connection)
            return
        # Refused before its body had come: aiohttp reads on for a while, since who is cut off
        # while sending may never see the answer.
        request.content.on_eof(lambda: self._busy.discard(connection))
        request.task.add_done_callback(lambda _: self._busy.discard(connection))

    async def _say_goodbye(self, _: web.Request, response: web.StreamResponse) -> None:
        if self._is_draining:
            response.headers["connection"] = "close"
            response.force_close()


def _connections(runner: web.BaseRunner) -> list[web.RequestHandler]:
    return [] if runner.server is None else runner.server.connections


async def _until_alone(runner: web.BaseRunner, deadline: float) -> None:
    loop = asyncio.get_running_loop()
    while _connections(runner) and loop.time() < deadline:  # noqa: ASYNC110 - nobody says it
        await asyncio.sleep(POLL_SECONDS)
