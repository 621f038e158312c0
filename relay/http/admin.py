"""The admin listener: health and metrics over HTTP; the numbers and the health are handed in.

Listening sockets come in too, and are closed at the end. Nothing of a delivery is ever shown here.

Source: docs/reference/http.md.
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from relay.contract.ready import Ready
from relay.http.answers import state
from relay.http.listen import BACKLOG
from relay.http.pages import Page, add_pages

SHUTDOWN_SECONDS = 0.5

IsReady = Callable[[], Awaitable[Ready]]
IsLive = Callable[[], bool]


def health(is_ready: IsReady, is_live: IsLive = lambda: True) -> dict[str, Page]:
    """Make ``/livez`` and ``/readyz``.

    Args:
        is_ready: Tells whether the program could do its work now.
        is_live: Tells whether it will by itself; where it answers at all, most often.
    """

    async def live() -> web.Response:
        answer = is_live()
        return state(200 if answer else 503, {"alive": answer})

    async def ready() -> web.Response:
        answer = await is_ready()
        degraded = {"degraded": True} if answer == "degraded" else {}
        return state(200 if answer else 503, {"ready": bool(answer), **degraded})

    return {"/livez": live, "/readyz": ready}


@asynccontextmanager
async def serving_admin(
    sockets: Sequence[socket.socket],
    is_ready: IsReady,
    text: Callable[[], Awaitable[bytes]],
    *,
    is_live: IsLive = lambda: True,
) -> AsyncIterator[None]:
    """Answer with health and ``/metrics`` within the block.

    Args:
        sockets: They listen.
        is_ready: Tells whether the program could do its work now.
        text: Gives all metrics in the Prometheus text form.
        is_live: Tells whether it will by itself.
    """

    async def metrics() -> web.Response:
        headers = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=await text(), headers=headers)

    app = web.Application()
    add_pages(app, {**health(is_ready, is_live), "/metrics": metrics})
    # Whoever stops in the middle of a request must not hold up the end.
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, lingering_time=SHUTDOWN_SECONDS
    )
    try:
        await runner.setup()
        for one in sockets:
            await web.SockSite(runner, one, backlog=BACKLOG).start()
        yield
    finally:
        await runner.cleanup()
