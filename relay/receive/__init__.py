"""HTTP in, answer out: route, limits and raw bytes here; everything else is the pipeline's.

What can be judged from the head is judged before the body is read, and ``100 Continue`` is sent
only after that. No header, body or error text of a sender is ever logged.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web

from relay.append import Appender
from relay.contract.duties import frames
from relay.contract.errors import (
    BodyTooLarge,
    DeliveryRefused,
    MethodNotAllowed,
    Overloaded,
    UnknownEndpoint,
)
from relay.contract.event import Duplicate
from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.metrics import Metrics
from relay.pipeline import Accepted, Filtered, accept
from relay.receive.answers import accepted, problem, request_id
from relay.receive.body import Budget, Share
from relay.receive.refusals import RefusalLog
from relay.verify import examine_head

__all__ = ["Budget", "Receiver"]

_log = structlog.get_logger("relay.receive")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The routes that senders use.

    Args:
        endpoints: By name.
        appender: Stores events.
        budget: Bounds the bodies in hand.
        metrics: Counts answers.
        max_body_bytes: The longest body taken.
        refusals: Says why deliveries were refused.
    """

    endpoints: Mapping[str, Endpoint]
    appender: Appender
    budget: Budget
    metrics: Metrics
    max_body_bytes: int
    refusals: RefusalLog

    def add_routes(self, app: web.Application) -> None:
        """Add ``/webhooks/{endpoint}``, and the answers for what is no route."""
        app.router.add_route(
            "*", "/webhooks/{endpoint}", self.receive, expect_handler=_wait_with_continue
        )
        app.middlewares.append(answer_everything)

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Take one delivery."""
        name = request.match_info["endpoint"]
        try:
            done = await self._take(request, name)
        except DeliveryRefused as refusal:
            known = name if name in self.endpoints else ""
            self.metrics.delivery(known, refusal.reason)
            self.refusals.note(known, refusal)
            return problem(refusal, request_id())
        self.metrics.delivery(name, _outcome(done))
        return accepted(done, request_id())

    async def _take(self, request: web.Request, name: str) -> Accepted:
        endpoint = self._judge_head(request, name)
        with self.budget.share(request.remote or "") as share:
            body = await self._read_body(request, share)
            delivery = Delivery(
                endpoint=endpoint,
                headers=request.headers,
                query=request.raw_path.partition("?")[2],
                body=body,
                received_at_ms=time.time_ns() // 1_000_000,
            )
            return await accept(delivery, self.appender)

    def _judge_head(self, request: web.Request, name: str) -> Endpoint:
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            raise UnknownEndpoint
        if request.method != "POST":
            raise MethodNotAllowed("POST")
        examine_head(endpoint, request.headers.get(endpoint.provider.scheme.header))
        if (request.content_length or 0) > self.max_body_bytes:
            raise BodyTooLarge
        if self.budget.is_spent:
            raise Overloaded
        return endpoint

    async def _read_body(self, request: web.Request, share: Share) -> bytes:
        if request.headers.get("expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # What was written was no part of the answer.
            request.writer.output_size = 0
        chunks: list[bytes] = []
        try:
            async with share.unless_cut():
                await self._gather(request, share, chunks)
        except BaseException:
            # Its traceback keeps the frames until the collector comes by; the bytes shall go now.
            chunks.clear()
            raise
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _gather(self, request: web.Request, share: Share, chunks: list[bytes]) -> None:
        # Each chunk stands in the list only, so that nothing is left where that is cleared.
        while True:
            chunks.append(await request.content.readany())
            if not chunks[-1]:
                chunks.pop()
                return
            share.grow(len(chunks[-1]))
            if share.size_bytes > self.max_body_bytes:
                raise BodyTooLarge


@web.middleware
async def answer_everything(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every path and every bug an answer in our form."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return problem(UnknownEndpoint(), request_id())
    except web.HTTPMethodNotAllowed as error:
        return problem(MethodNotAllowed(*sorted(error.allowed_methods)), request_id())
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - the edge: a bug becomes an answer
        # The message may quote a payload, so type and frames only.
        _log.error("request_failed", error=type(error).__name__, frames=frames(error))
        return problem(DeliveryRefused(), request_id())


async def _wait_with_continue(_: web.Request) -> None:
    """Keep the sender waiting: whether it may go on is decided by the head."""


def _outcome(done: Accepted) -> str:
    if isinstance(done.result, Filtered):
        return "filtered"
    return "duplicate" if isinstance(done.result, Duplicate) else "stored"
