"""Contender A: what aiohttp itself costs. It reads the body and answers a constant.

It verifies nothing and stores nothing: the floor under every gateway written with aiohttp.
"""

import sys

import uvloop
from aiohttp import web

_ANSWER = b'{"received":true}'


async def receive(request: web.Request) -> web.Response:
    """Read a delivery and forget it."""
    await request.read()
    return web.Response(body=_ANSWER, content_type="application/json")


def main() -> None:
    """Serve on the loopback port that the command line names."""
    app = web.Application()
    app.router.add_post("/webhooks/unipile", receive)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
