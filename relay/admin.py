"""The admin listener: health and metrics over HTTP; the numbers and the health are handed in.

Every answer carries an id and our name. Nothing of a delivery is ever shown here.

Source: docs/reference/http.md.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.receive.answers import request_id

IsReady = Callable[[], Awaitable[bool]]


async def name_ourselves(_: web.Request, response: web.StreamResponse) -> None:
    """Leave out what aiohttp would say of itself, and give every answer an id."""
    response.headers["server"] = "webhook-relay"
    if "relay-request-id" not in response.headers:
        response.headers["relay-request-id"] = request_id()


def add_health(app: web.Application, is_ready: IsReady) -> None:
    """Add ``/livez`` and ``/readyz``.

    Args:
        app: Where they are added.
        is_ready: Tells whether a delivery could be answered 200 now.
    """

    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_: web.Request) -> web.Response:
        ready = await is_ready()
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)


def admin_app(is_ready: IsReady, text: Callable[[], Awaitable[bytes]]) -> web.Application:
    """Make the application with health and ``/metrics``.

    Args:
        is_ready: Tells whether a delivery could be answered 200 now.
        text: Gives all metrics in the Prometheus text form.
    """
    app = web.Application()
    app.on_response_prepare.append(name_ourselves)
    add_health(app, is_ready)

    async def metrics(_: web.Request) -> web.Response:
        headers = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=await text(), headers=headers)

    app.router.add_get("/metrics", metrics)
    return app
