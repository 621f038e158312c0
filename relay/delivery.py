"""A sender's request, before and after it has proved where it comes from.

A function that takes a `VerifiedDelivery` cannot be handed an unverified one, and only
``relay.verify`` makes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.contract.event import Assurance
from relay.endpoint import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One HTTP request, as it came over the wire.

    Args:
        endpoint: Where it was sent.
        headers: Case-insensitive; values as text.
        query: The raw query string, without ``?``.
        body: Exactly the bytes received, not decompressed.
        received_at_ms: When the body was complete, ms since the epoch.
    """

    endpoint: Endpoint
    headers: Mapping[str, str]
    query: str
    body: bytes
    received_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDelivery:
    """A delivery whose origin was proved, as far as its endpoint's scheme can.

    Args:
        delivery: The request.
        assurance: How much was proved.
        signed_at: The signed timestamp as sent, if the scheme signs one.
    """

    delivery: Delivery
    assurance: Assurance
    signed_at: str | None
