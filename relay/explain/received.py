"""A request as it was received, kept apart from what was thought of it."""

from dataclasses import dataclass, field

from relay.delivery import Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request that came for an endpoint.

    Args:
        headers: Names and values as they came.
        body: Its bytes; none where they were not kept, or not all of them.
        received_at_ms: When, ms since the epoch.
        body_bytes: How many came.
        method: Of the request.
        query: The raw query string, without ``?``.
        certificate: That with which it says it was signed, where that is known.
    """

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    received_at_ms: int
    body_bytes: int = 0
    method: str = "POST"
    query: str = field(default="", repr=False)
    certificate: Certificate | None = field(default=None, repr=False)
