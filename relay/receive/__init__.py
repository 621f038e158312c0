"""HTTP in, answer out: limits and raw bytes here; everything else is the pipeline's.

What can be judged from the head is judged before the body is read, and ``100 Continue`` is sent
only after that. No header, body or error text of a sender is ever logged.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from relay.contract.errors import (
    BodyTooLarge,
    DeliveryRefused,
    MethodNotAllowed,
    Overloaded,
    RefusedSignature,
    SignatureRefused,
    UnknownEndpoint,
)
from relay.delivery import Claim, Delivery
from relay.endpoint import Endpoint
from relay.handshake import MAX_BODY_BYTES, Answered, Asked
from relay.pipeline import Accepted, Pipeline
from relay.receive.body import Budget, Share
from relay.receive.clients import Clients
from relay.receive.notes import Notes
from relay.receive.reading import body_at_hand, read_body
from relay.verify import examine_head, unproved
from relay.verify.family import NO_CLAIM

__all__ = ["Budget", "Receiver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Takes deliveries, whatever listener they came by.

    Args:
        endpoints: By name.
        pipeline: Verifies, identifies and appends.
        budget: Bounds the bodies in hand.
        clients: Says who sends.
        notes: Takes note of what became of them.
        max_body_bytes: The longest body taken.
    """

    endpoints: Mapping[str, Endpoint]
    pipeline: Pipeline
    budget: Budget
    clients: Clients
    notes: Notes
    max_body_bytes: int

    async def receive(
        self, request: web.BaseRequest, name: str
    ) -> Accepted | Answered | DeliveryRefused:
        """Take one delivery, and say what to answer.

        Args:
            request: Its body not yet read.
            name: Of the endpoint, as the path said it.
        """
        share = self.budget.share(self.clients.address_of(request))
        endpoint = self.endpoints.get(name)
        try:
            if endpoint is None:
                raise UnknownEndpoint
            if endpoint.provider.handshakes or endpoint.dry_run:
                done = await self._greet(request, endpoint, share)
            else:
                claim = self._judge_head(request, endpoint)
                body = body_at_hand(request, share, self.max_body_bytes)
                if body is None:
                    body = await read_body(request, share, self.max_body_bytes)
                done = await self._accept(_delivery(request, endpoint, claim, body))
        except DeliveryRefused as refusal:
            self.notes.refused(endpoint, refusal)
            if endpoint is not None:
                await self.notes.keep(request, endpoint, refusal, share)
            refusal.body = None
            # Its traceback would keep the frames, and the body in them.
            return refusal.with_traceback(None)
        finally:
            share.release()
        self.notes.taken(name, done)
        return done

    async def _accept(self, delivery: Delivery) -> Accepted | Answered:
        try:
            return await self.pipeline.accept(delivery)
        except DeliveryRefused as refusal:
            refusal.body = delivery.body
            raise

    async def _try(
        self,
        request: web.BaseRequest,
        delivery: Delivery,
        share: Share,
        refused: RefusedSignature | None,
    ) -> Accepted | Answered:
        """Take a delivery of a dry run: what would be refused is stored marked, and noted.

        Noted after that: what the store did not take is refused as any other, and comes again.
        """
        refusal = None if refused is None else SignatureRefused(refused)
        if refusal is None:
            try:
                return await self._accept(delivery)
            except SignatureRefused as wrong:
                refusal = wrong
        refusal.body = delivery.body
        done = await self.pipeline.take(unproved(delivery))
        self.notes.tried(request, delivery.endpoint, refusal, share)
        return done

    async def _greet(
        self, request: web.BaseRequest, endpoint: Endpoint, share: Share
    ) -> Accepted | Answered:
        """Take a request of a sender that tries its endpoint now and then, or is on trial itself.

        Raises:
            DeliveryRefused: It is neither a handshake nor a delivery as it should be.
        """
        query = _query(request.raw_path)
        asked = Asked(endpoint, request.method, request.headers, query)
        answered = await self.pipeline.handshakes.at_head(asked)
        if answered is not None:
            return answered
        claim, refused = self._judge_or_wait(request, endpoint)
        body = await self._body_within(request, share, None if endpoint.dry_run else refused)
        asked = Asked(endpoint, request.method, request.headers, query, body)
        answered = await self.pipeline.handshakes.unsigned(asked)
        if answered is not None:
            return answered
        delivery = _delivery(request, endpoint, claim, body)
        if endpoint.dry_run:
            return await self._try(request, delivery, share, refused)
        if refused is not None:
            refusal = SignatureRefused(refused)
            refusal.body = body
            raise refusal
        return await self._accept(delivery)

    def _judge_or_wait(
        self, request: web.BaseRequest, endpoint: Endpoint
    ) -> tuple[Claim, RefusedSignature | None]:
        """Judge the head; a fault of it may be none, where a handshake is told by its body."""
        try:
            return self._judge_head(request, endpoint), None
        except SignatureRefused as refusal:
            if not endpoint.provider.has_unsigned_body and not endpoint.dry_run:
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
            body = body_at_hand(request, share, limit_bytes)
            return body if body is not None else await read_body(request, share, limit_bytes)
        except BodyTooLarge:
            if refused is None:
                raise
        raise SignatureRefused(refused)

    def _judge_head(self, request: web.BaseRequest, endpoint: Endpoint) -> Claim:
        if request.method != "POST":
            raise MethodNotAllowed("POST")
        claim = examine_head(endpoint, request.headers)
        if self.budget.is_spent:
            raise Overloaded
        return claim


def _delivery(request: web.BaseRequest, endpoint: Endpoint, claim: Claim, body: bytes) -> Delivery:
    return Delivery(
        endpoint=endpoint,
        claim=claim,
        headers=request.headers,
        query=_query(request.raw_path),
        body=body,
        received_at_ms=time.time_ns() // 1_000_000,
    )


def _query(path: str) -> str:
    return path.partition("?")[2] if "?" in path else ""
