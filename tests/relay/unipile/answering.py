"""A server that answers as a test wants it, where the stand-in has no such fault."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.unipile import Patience
from relay.unipile.api import UnipileApi, open_api
from relay.unipile.stand_in import Fault

KEY = "canary-api-key-93ab"
# Long enough for a busy machine; pauses are short.
HASTY = Patience(total_seconds=20.0, request_seconds=8.0, attempts=3, first_pause_seconds=0.01)
# For what never answers.
IMPATIENT = Patience(total_seconds=20.0, request_seconds=0.4, attempts=2, first_pause_seconds=0.01)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Answering:
    """A server that runs.

    Args:
        url: Where.
        asked: Method and path, with the query, of each request, and whether the key came.
    """

    url: str
    asked: list[tuple[str, str, bool]] = field(default_factory=list)


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[Answering]:
    """Have a server for the time of a block.

    Args:
        answer: Is asked for every request, whatever its path.
    """
    running = Answering("")

    async def note(request: web.Request) -> web.StreamResponse:
        running.asked.append((request.method, request.path_qs, "x-api-key" in request.headers))
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    async with TestServer(app, host="127.0.0.1") as server:
        running.url = str(server.make_url("")).rstrip("/")
        yield running


def patience_for(fault: Fault | str | int) -> Patience:
    """Wait for what comes, and hardly for what does not."""
    kind = fault.kind if isinstance(fault, Fault) else fault
    return IMPATIENT if kind == "time-out" else HASTY


@asynccontextmanager
async def hasty_api(
    url: str, patience: Patience = HASTY, key: str = KEY
) -> AsyncIterator[UnipileApi]:
    """Have a client that waits for little."""
    async with open_api(url, key, patience) as api:
        yield api
