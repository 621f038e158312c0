"""A sender's request, before and after it has proved where it comes from.

A function that takes a `VerifiedDelivery` cannot be handed an unverified one, and only
``relay.verify`` makes them.
"""

from collections.abc import Mapping

import msgspec

from relay.contract.event import Assurance
from relay.endpoint import Endpoint, Secret

# What may stand around a header's value and is no part of it (RFC 9110, section 5.5). Python's own
# `strip` takes more, such as a no-break space: what is signed and what is read must end alike.
BLANKS = " \t"


class Claim(msgspec.Struct, frozen=True):
    """What the head of a request says of its signature.

    Args:
        timestamp: Exactly as written, where the head has one: that text is signed.
        candidates: Signatures as bytes.
    """

    timestamp: str = ""
    candidates: tuple[bytes, ...] = ()


class Certificate(msgspec.Struct, frozen=True):
    """With what a delivery says it was signed.

    Args:
        pem: The signer's certificate, then those between it and a root.
        roots: PEM of the certificates that are trusted.
    """

    pem: bytes
    roots: bytes


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, as it came over the wire.

    Args:
        endpoint: Where it was sent.
        claim: What its head says of its signature.
        headers: Case-insensitive; values as text.
        query: The raw query string, without ``?``.
        body: Exactly the bytes received, not decompressed.
        received_at_ms: When the body was complete, ms since the epoch.
        method: Of the request.
        certificate: That with which it says it was signed, if its scheme has certificates.
        seed: What makes it itself where equal bodies are different events; chance, if empty.
    """

    endpoint: Endpoint
    claim: Claim
    headers: Mapping[str, str]
    query: str
    body: bytes
    received_at_ms: int
    method: str = "POST"
    certificate: Certificate | None = None
    seed: bytes = b""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets by which it is judged: those that counted when it came."""
        return self.endpoint.secrets_at(self.received_at_ms)

    @property
    def url(self) -> str:
        """The URL as its sender knows it: a signed one must not depend on a ``Host`` header."""
        public = self.endpoint.public_url or ""
        return f"{public}?{self.query}" if self.query else public


class VerifiedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery whose origin was proved, as far as its endpoint's scheme can.

    Args:
        delivery: The request.
        assurance: How much was proved.
        signed_at: The signed timestamp as sent, if the scheme signs one.
        secret: The endpoint's secret that proved it, the first of them where several do.
        is_late: It was signed longer ago than the tolerance, so the late tolerance let it pass.
    """

    delivery: Delivery
    assurance: Assurance
    signed_at: str | None
    secret: Secret | None = None
    is_late: bool = False
