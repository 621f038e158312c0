"""Takes note of what became of each delivery: counts, log lines, books, and the refusal log.

Of a refused one as much is kept as explains it, its body too: where the head alone decided, the
body is read after that for the few rows that are kept, and the sender waits no longer than a
second for it.
"""

import asyncio
import time
from dataclasses import dataclass

from aiohttp import web

from relay.contract.errors import (
    BodyTooLarge,
    DeliveryRefused,
    HandshakeRefused,
    MethodNotAllowed,
    SignatureRefused,
)
from relay.contract.event import Appended, Duplicate, Spooled
from relay.endpoint import Endpoint
from relay.handshake import Answered
from relay.http.answers import request_id
from relay.metrics import Metrics
from relay.pipeline import Accepted, Filtered
from relay.receive.body import Share
from relay.receive.reading import body_at_hand, read_body, waits_to_go_on
from relay.receive.refusals import RefusalLog
from relay.rejections import KEPT_BODY_BYTES, Rejects, rejection_of
from relay.usage import Usage

# For the rest of a body that nobody needs but who looks into the log.
BODY_SECONDS = 1.0

_OUTCOMES = {
    Appended: "stored",
    Duplicate: "duplicate",
    Spooled: "spooled",
    Filtered: "filtered",
}
# What an operator may mend or explain to a sender. What is to come again later is good as it is.
_KEPT = (SignatureRefused, HandshakeRefused, BodyTooLarge, MethodNotAllowed)


@dataclass(frozen=True, slots=True)
class Notes:
    """Where notes are taken.

    Args:
        metrics: Counts answers.
        lines: Log lines that say why deliveries were refused.
        usage: The endpoints' books.
        rejections: The refusal log.
    """

    metrics: Metrics
    lines: RefusalLog
    usage: Usage
    rejections: Rejects

    def taken(self, name: str, done: Accepted | Answered) -> None:
        """Take note of a 200."""
        if not isinstance(done, Accepted):
            self.metrics.delivery(name, "handshake")
            self.usage.note(name, "handshake")
            return
        outcome = _OUTCOMES[type(done.result)]
        secret = done.secret
        self.metrics.delivery(name, outcome)
        self.usage.note(name, outcome, secret)
        if secret is not None:
            self.metrics.verified(name, secret.name)
        if done.is_late:
            self.metrics.late(name)

    def refused(self, endpoint: Endpoint | None, refusal: DeliveryRefused) -> None:
        """Count a refusal, and say it in a line of the log."""
        name = "" if endpoint is None else endpoint.name
        self.metrics.delivery(name, refusal.reason)
        self.lines.note(name, refusal)
        if endpoint is not None:
            self.usage.note(name, refusal.reason)

    async def keep(
        self, request: web.BaseRequest, endpoint: Endpoint, refusal: DeliveryRefused, share: Share
    ) -> None:
        """Put a refused delivery into the refusal log, unless there are too many.

        The answer is given the id of the row, by which its sender can ask for it.
        """
        if not isinstance(refusal, _KEPT):
            return
        if not self.rejections.wants(endpoint.name, refusal.reason):
            return
        body = refusal.body
        if body is None:
            body = await _body_of_refused(request, share)
        refusal.request_id = request_id()
        self._note(request, endpoint, refusal, share.client, body)

    def tried(
        self,
        request: web.BaseRequest,
        endpoint: Endpoint,
        refusal: SignatureRefused,
        share: Share,
    ) -> None:
        """Take note of a delivery that proves nothing and was taken all the same."""
        self.metrics.dry_run(endpoint.name, refusal.reason)
        self.usage.note(endpoint.name, f"dry_run:{refusal.reason}")
        if self.rejections.wants(endpoint.name, refusal.reason):
            refusal.request_id = request_id()
            self._note(request, endpoint, refusal, share.client, refusal.body)

    def _note(
        self,
        request: web.BaseRequest,
        endpoint: Endpoint,
        refusal: DeliveryRefused,
        client: str,
        body: bytes | None,
    ) -> None:
        row = rejection_of(
            endpoint,
            request.raw_headers,
            received_at_ms=time.time_ns() // 1_000_000,
            request_id=refusal.request_id,
            reason=refusal.reason,
            client=client,
            method=request.method,
            query=request.raw_path.partition("?")[2],
            body=body,
            is_dry_run=endpoint.dry_run and isinstance(refusal, SignatureRefused),
        )
        self.rejections.note(endpoint, row)


async def _body_of_refused(request: web.BaseRequest, share: Share) -> bytes | None:
    """Read the body of a request that is refused already; none where it is long or late."""
    if not share.has_plenty or waits_to_go_on(request):
        return None
    if (request.content_length or 0) > KEPT_BODY_BYTES:
        return None
    try:
        body = body_at_hand(request, share, KEPT_BODY_BYTES)
        if body is None:
            async with asyncio.timeout(BODY_SECONDS):
                body = await read_body(request, share, KEPT_BODY_BYTES)
    except (DeliveryRefused, TimeoutError, OSError):
        return None
    return body
