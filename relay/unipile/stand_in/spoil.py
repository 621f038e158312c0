"""Spoils answers of the API as a fault wants it.

A request and its fault come in; an answer that is wrong, late or cut off goes out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from aiohttp import web

from relay.contract.printable import printable
from relay.unipile.stand_in.answers import json_answer, refusal
from relay.unipile.stand_in.endpoints import Said
from relay.unipile.stand_in.faults import Fault, Faults
from relay.unipile.stand_in.refused import Refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Spoils(Protocol):
    """Makes of a request, its fault and the true answer's body what is answered."""

    async def __call__(self, request: web.Request, fault: Fault, body: bytes) -> web.StreamResponse:
        """Answer, or not."""


class Spoiler:
    """Looks for a fault for each request of the API.

    Args:
        faults: Those that wait.
        closing: Set when the stand-in ends, so that what is never answered ends too.
        say: Is told in a line what has been spoilt.
    """

    def __init__(self, faults: Faults, closing: asyncio.Event, say: Said) -> None:
        self._faults = faults
        self._closing = closing
        self._say = say
        self._ways: dict[str, Spoils] = {
            "status": _status,
            "time-out": self._time_out,
            "cut": _cut,
            "broken-json": _broken_json,
            "half-page": _half_page,
            "wrong-shape": _wrong_shape,
            "no-data": _no_data,
            "slow": self._slow,
        }

    @web.middleware
    async def spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer as a fault wants it, where one waits for this request."""
        is_api = request.path.startswith("/v2/")
        fault = self._faults.take(request.method, request.path) if is_api else None
        if fault is None:
            return await handler(request)
        body = b""
        if fault.is_after:
            answer = await handler(request)
            if not isinstance(answer, web.Response) or answer.status != 200:
                return answer  # there is nothing to spoil in a refusal
            body = bytes(answer.body) if isinstance(answer.body, bytes) else b""
        self._say(f"fault for {request.method} {printable(request.path)}: {fault}")
        return await self._ways[fault.kind](request, fault, body)

    async def _time_out(self, request: web.Request, fault: Fault, body: bytes) -> web.Response:
        await self._closing.wait()
        return await _cut(request, fault, body)

    async def _slow(self, request: web.Request, fault: Fault, body: bytes) -> web.Response:
        del request
        try:
            async with asyncio.timeout(fault.seconds):
                await self._closing.wait()
        except TimeoutError:
            pass
        return _json(body)


async def _status(request: web.Request, fault: Fault, body: bytes) -> web.Response:
    del request, body
    answer = refusal(Refused(fault.status, "A test asked for this fault."))
    # Assumption: too many requests are answered with Retry-After in seconds
    retry_after = fault.retry_after or ("1" if fault.status == 429 else None)
    if retry_after is not None:
        answer.headers["retry-after"] = retry_after
    return answer


async def _cut(request: web.Request, fault: Fault, body: bytes) -> web.Response:
    """Close the connection without a word."""
    del fault, body
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half_page(request: web.Request, fault: Fault, body: bytes) -> web.StreamResponse:
    """Say how long the body is, and close the connection in the middle of it."""
    del fault
    answer = web.StreamResponse(headers={"content-type": "application/json"})
    answer.content_length = len(body)
    await answer.prepare(request)
    await answer.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return answer


async def _broken_json(request: web.Request, fault: Fault, body: bytes) -> web.Response:
    """Answer with a body that ends too early, and says that it is whole."""
    del request, fault
    return _json(body[: len(body) // 2])


async def _wrong_shape(request: web.Request, fault: Fault, body: bytes) -> web.Response:
    """Answer with a list where an object should be."""
    del request, fault
    return _json(b"[%b]" % body)


async def _no_data(request: web.Request, fault: Fault, body: bytes) -> web.Response:
    """Leave out what matters: the rows of a list, or all of an endpoint but its kind."""
    del request, fault
    document = msgspec.json.decode(body)
    kept = ("object", "has_more")
    return json_answer({name: document[name] for name in kept if name in document})


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
