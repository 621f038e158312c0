"""HTTP in, answer out: limits and raw bytes here; everything else is the pipeline's.

What can be judged from the head is judged before the body is read, and ``100 Continue`` is sent
only after that. No header, body or error text of a sender is ever logged.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import HttpVersion11, web

from relay.contract.errors import (
    BodyTooLarge,
    DeliveryRefused,
    MethodNotAllowed,
    Overloaded,
    UnknownEndpoint,
)
from relay.contract.event import Appended, Duplicate, Spooled
from relay.delivery import Claim, Delivery
from relay.endpoint import Endpoint
from relay.metrics import Metrics
from relay.pipeline import Accepted, Filtered, Pipeline
from relay.receive.body import Budget, Share, join_small
from relay.receive.clients import Clients
from relay.receive.refusals import RefusalLog
from relay.verify import examine_head

__all__ = ["Budget", "Receiver"]

# A request keeps its headers as bytes and as text. What usual ones take is part of what it costs
# to wait for a body.
HEAD_COPIES = 2
USUAL_HEAD_BYTES = 2048

_OUTCOMES = {
    Appended: "stored",
    Duplicate: "duplicate",
    Spooled: "spooled",
    Filtered: "filtered",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Takes deliveries, whatever listener they came by.

    Args:
        endpoints: By name.
        pipeline: Verifies, identifies and appends.
        budget: Bounds the bodies in hand.
        clients: Says who sends.
        metrics: Counts answers.
        max_body_bytes: The longest body taken.
        refusals: Says why deliveries were refused.
    """

    endpoints: Mapping[str, Endpoint]
    pipeline: Pipeline
    budget: Budget
    clients: Clients
    metrics: Metrics
    max_body_bytes: int
    refusals: RefusalLog

    async def receive(self, request: web.BaseRequest, name: str) -> Accepted | DeliveryRefused:
        """Take one delivery, and say what to answer.

        Args:
            request: Its body not yet read.
            name: Of the endpoint, as the path said it.
        """
        share = self.budget.share(self.clients.address_of(request))
        try:
            endpoint = self.endpoints.get(name)
            if endpoint is None:
                raise UnknownEndpoint
            claim = self._judge_head(request, endpoint)
            body = self._body_at_hand(request, share)
            if body is None:
                body = await self._read_body(request, share)
            delivery = Delivery(
                endpoint=endpoint,
                claim=claim,
                headers=request.headers,
                query=_query(request.raw_path),
                body=body,
                received_at_ms=time.time_ns() // 1_000_000,
            )
            done = await self.pipeline.accept(delivery)
        except DeliveryRefused as refusal:
            self._note(refusal, name)
            # Its traceback would keep the frames, and the body in them.
            return refusal.with_traceback(None)
        finally:
            share.release()
        self.metrics.delivery(name, _OUTCOMES[type(done.result)])
        return done

    def _note(self, refusal: DeliveryRefused, name: str) -> None:
        known = name if name in self.endpoints else ""
        self.metrics.delivery(known, refusal.reason)
        self.refusals.note(known, refusal)

    def _judge_head(self, request: web.BaseRequest, endpoint: Endpoint) -> Claim:
        if request.method != "POST":
            raise MethodNotAllowed("POST")
        claim = examine_head(endpoint, request.headers)
        if self.budget.is_spent:
            raise Overloaded
        return claim

    def _body_at_hand(self, request: web.BaseRequest, share: Share) -> bytes | None:
        """Give the body if it came in the same packet as its head, as small ones do."""
        content = request.content
        if not content.is_eof() or content.exception() is not None:
            return None
        body = content.read_nowait()
        share.grow(len(body))
        if len(body) > self.max_body_bytes:
            raise BodyTooLarge
        return body

    async def _read_body(self, request: web.BaseRequest, share: Share) -> bytes:
        if (request.content_length or 0) > self.max_body_bytes:
            raise BodyTooLarge
        chunks: list[bytes] = []
        try:
            async with share.unless_cut():
                share.grow(HEAD_COPIES * max(0, _head_bytes(request) - USUAL_HEAD_BYTES))
                if _waits_to_go_on(request):
                    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    # What was written was no part of the answer.
                    request.writer.output_size = 0
                await self._gather(request, share, chunks)
        except BaseException:
            # Its traceback keeps the frames until the collector comes by; the bytes shall go now.
            chunks.clear()
            raise
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _gather(self, request: web.BaseRequest, share: Share, chunks: list[bytes]) -> None:
        # Each chunk stands in the list only, so that nothing is left where that is cleared.
        size_bytes = 0
        while True:
            if request.transport is None:
                raise ConnectionResetError
            chunks.append(await request.content.readany())
            if not chunks[-1]:
                chunks.pop()
                return
            share.grow(len(chunks[-1]))
            size_bytes += len(chunks[-1])
            if size_bytes > self.max_body_bytes:
                raise BodyTooLarge
            join_small(chunks)


def _waits_to_go_on(request: web.BaseRequest) -> bool:
    # RFC 9110, section 10.1.1: a sender of an older version does not know the answer.
    wanted = request.headers.get("expect", "").lower() == "100-continue"
    return wanted and request.version >= HttpVersion11


def _head_bytes(request: web.BaseRequest) -> int:
    return sum(len(name) + len(value) for name, value in request.raw_headers)


def _query(path: str) -> str:
    return path.partition("?")[2] if "?" in path else ""
