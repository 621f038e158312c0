"""Pages that answer a GET, and our own answers for what is none of them."""

from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

from relay.contract.errors import DeliveryRefused, MethodNotAllowed, UnknownEndpoint
from relay.contract.frames import frames
from relay.http.answers import SERVER, problem, request_id

Page = Callable[[], Awaitable[web.Response]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger("relay.http")


def add_pages(app: web.Application, pages: Mapping[str, Page]) -> None:
    """Add pages to an application, and our own answers for what is no route of it."""
    for path, page in pages.items():

        async def show(_: web.Request, page: Page = page) -> web.Response:
            return await page()

        app.router.add_get(path, show)
    app.middlewares.append(_answer_everything)
    app.on_response_prepare.append(_name_ourselves)


@web.middleware
async def _answer_everything(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every path and every bug an answer in our form."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return problem(UnknownEndpoint())
    except web.HTTPMethodNotAllowed as error:
        return problem(MethodNotAllowed(*sorted(error.allowed_methods)))
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - the edge: a bug becomes an answer
        return bug(error)


def bug(error: Exception) -> web.Response:
    """Say that something failed by a bug of ours, and answer with 500."""
    # The message may quote a payload, so type and frames only.
    _log.error("request_failed", error=type(error).__name__, frames=frames(error))
    return problem(DeliveryRefused())


async def _name_ourselves(_: web.Request, response: web.StreamResponse) -> None:
    """Leave out what aiohttp would say of itself, and give every answer an id."""
    response.headers["server"] = SERVER
    if "relay-request-id" not in response.headers:
        response.headers["relay-request-id"] = request_id()
