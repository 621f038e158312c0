"""Requests as they were received, and what is said of them."""

from collections.abc import Mapping
from typing import Any

from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.explain import Explanation, Received, explain
from tests.making import NOW_MS, make_endpoint


def received(headers: Mapping[str, str], body: bytes | None, **changes: Any) -> Received:
    """Make a request that came at `NOW_MS`."""
    values: dict[str, Any] = {
        "headers": tuple(headers.items()),
        "body": body,
        "body_bytes": len(body or b""),
        "received_at_ms": NOW_MS,
    }
    return Received(**(values | changes))


def received_of(delivery: Delivery, **changes: Any) -> Received:
    """Make the request that a delivery was."""
    body = changes.pop("body", delivery.body)
    values: dict[str, Any] = {
        "query": delivery.query,
        "method": delivery.method,
        "received_at_ms": delivery.received_at_ms,
        "certificate": delivery.certificate,
    }
    headers = changes.pop("headers", dict(delivery.headers))
    return received(headers, body, **(values | changes))


def explained(
    headers: Mapping[str, str], body: bytes | None, *secrets: str, **changes: Any
) -> Explanation:
    """Explain a request that came for an endpoint of Unipile's with these secrets."""
    return explain(make_endpoint(*secrets), received(headers, body, **changes), now_ms=NOW_MS)


def said(explanation: Explanation) -> str:
    """Give all that an explanation says."""
    steps = (f"{step.name} {step.outcome} {step.text}" for step in explanation.steps)
    return "\n".join((explanation.cause, explanation.remedy, *steps))


def explain_now(endpoint: Endpoint, request: Received, **changes: Any) -> Explanation:
    """Explain a request now."""
    return explain(endpoint, request, now_ms=NOW_MS, **changes)
