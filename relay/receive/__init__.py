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
    RefusedSignature,
    SignatureRefused,
    UnknownEndpoint,
)
from relay.contract.event import Appended, Duplicate, Spooled
from relay.delivery import Claim, Delivery
from relay.endpoint import Endpoint
from relay.handshake import MAX_BODY_BYTES, Answered, Asked
from relay.metrics import Metrics
from relay.pipeline import Accepted, Filtered, Pipeline
from relay.receive.body import Budget, Share, join_small
from relay.receive.clients import Clients
from relay.receive.refusals import RefusalLog
from relay.verify import examine_head
from relay.verify.family import NO_CLAIM

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

    async def receive(
        self, request: web.BaseRequest, name: str
    ) -> Accepted | Answered | DeliveryRefused:
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
            if endpoint.provider.handshakes:
                done = await self._greet(request, endpoint, share)
            else:
                claim = self._judge_head(request, endpoint)
                body = self._body_at_hand(request, share, self.max_body_bytes)
                if body is None:
                    body = await self._read_body(request, share, self.max_body_bytes)
                done = await self.pipeline.accept(_delivery(request, endpoint, claim, body))
        except DeliveryRefused as refusal:
            self._note(refusal, name)
            # Its traceback would keep the frames, and the body in them.
            return refusal.with_traceback(None)
        finally:
            share.release()
        self.metrics.delivery(name, _outcome(done))
        return done

    async def _greet(
        self, request: web.BaseRequest, endpoint: Endpoint, share: Share
    ) -> Accepted | Answered:
        """Take a request of a sender that tries its endpoint now and then.

        Raises:
            DeliveryRefused: It is neither a handshake nor a delivery as it should be.
        """
        query = _query(request.raw_path)
        asked = Asked(endpoint, request.method, request.headers, query)
        answered = await self.pipeline.handshakes.at_head(asked)
        if answered is not None:
            return answered
        claim, refused = self._judge_or_wait(request, endpoint)
        body = await self._body_within(request, share, refused)
        asked = Asked(endpoint, request.method, request.headers, query, body)
        answered = await self.pipeline.handshakes.unsigned(asked)
        if answered is not None:
            return answered
        if refused is not None:
            raise SignatureRefused(refused)
        return await self.pipeline.accept(_delivery(request, endpoint, claim, body))

    def _judge_or_wait(
        self, request: web.BaseRequest, endpoint: Endpoint
    ) -> tuple[Claim, RefusedSignature | None]:
        """Judge the head; a fault of it may be none, where a handshake is told by its body."""
        try:
            return self._judge_head(request, endpoint), None
        except SignatureRefused as refusal:
            if not endpoint.provider.has_unsigned_body:
                raise
            return NO_CLAIM, refusal.reason

    async def _body_within(
        self, request: web.BaseRequest, share: Share, refused: RefusedSignature | None
    ) -> bytes:
        """Read a body, no longer than a handshake's where nothing else can become of it."""
        limit_bytes = self.max_body_bytes
        if refused is not None:
            limit_bytes = min(MAX_BODY_BYTES, limit_bytes)
        try:
            body = self._body_at_hand(request, share, limit_bytes)
            return body if body is not None else await self._read_body(request, share, limit_bytes)
        except BodyTooLarge:
            if refused is None:
                raise
        raise SignatureRefused(refused)

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

    def _body_at_hand(
        self, request: web.BaseRequest, share: Share, limit_bytes: int
    ) -> bytes | None:
        """Give the body if it came in the same packet as its head, as small ones do."""
        content = request.content
        if not content.is_eof() or content.exception() is not None:
            return None
        body = content.read_nowait()
        share.grow(len(body))
        if len(body) > limit_bytes:
            raise BodyTooLarge
        return body

    async def _read_body(self, request: web.BaseRequest, share: Share, limit_bytes: int) -> bytes:
        if (request.content_length or 0) > limit_bytes:
            raise BodyTooLarge
        chunks: list[bytes] = []
        try:
            async with share.unless_cut():
                share.grow(HEAD_COPIES * max(0, _head_bytes(request) - USUAL_HEAD_BYTES))
                if _waits_to_go_on(request):
                    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    # What was written was no part of the answer.
                    request.writer.output_size = 0
                await self._gather(request, share, chunks, limit_bytes)
        except BaseException:
            # Its traceback keeps the frames until the collector comes by; the bytes shall go now.
            chunks.clear()
            raise
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _gather(
        self, request: web.BaseRequest, share: Share, chunks: list[bytes], limit_bytes: int
    ) -> None:
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
            if size_bytes > limit_bytes:
                raise BodyTooLarge
            join_small(chunks)


def _outcome(done: Accepted | Answered) -> str:
    return _OUTCOMES[type(done.result)] if isinstance(done, Accepted) else "handshake"


def _delivery(request: web.BaseRequest, endpoint: Endpoint, claim: Claim, body: bytes) -> Delivery:
    return Delivery(
        endpoint=endpoint,
        claim=claim,
        headers=request.headers,
        query=_query(request.raw_path),
        body=body,
        received_at_ms=time.time_ns() // 1_000_000,
    )


def _waits_to_go_on(request: web.BaseRequest) -> bool:
    # RFC 9110, section 10.1.1: a sender of an older version does not know the answer.
    wanted = request.headers.get("expect", "").lower() == "100-continue"
    return wanted and request.version >= HttpVersion11


def _head_bytes(request: web.BaseRequest) -> int:
    return sum(len(name) + len(value) for name, value in request.raw_headers)


def _query(path: str) -> str:
    return path.partition("?")[2] if "?" in path else ""
