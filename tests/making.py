"""Values for tests, complete but for what the test is about."""

import gzip
import time
from collections.abc import Mapping
from typing import Any

from multidict import CIMultiDict

from relay.contract.event import Assurance, Event, IdentifiedEvent, IdentityKind
from relay.delivery import Delivery
from relay.endpoint import Endpoint, Secret
from relay.providers import PROVIDERS
from relay.verify import examine_head
from tests.canaries import IN_BODY, IN_HEADER
from tests.signing import SECRET, signed

NOW = 1_791_796_448
NOW_MS = NOW * 1000


def make_event(**changes: Any) -> Event:
    """Make an event; the arguments are attributes that matter to the test."""
    values: dict[str, Any] = {
        "id": "evt_1",
        "source": "/webhooks/unipile",
        "type": "message.new",
        "data": b'{"id":"evt_1","type":"message.new","note":"%s"}' % IN_BODY.encode(),
        "received_at_ms": NOW_MS,
        "assurance": "body",
        "headers": {"user-agent": IN_HEADER},
    }
    return Event(**(values | changes))


def body_of(event_id: str) -> bytes:
    """Give the body of an event that was given none."""
    return f"body of {event_id} {IN_BODY}".encode()


def make_identified(
    event_id: str,
    event_type: str = "message.new",
    *,
    data: bytes | None = None,
    assurance: Assurance = "body",
    tag: str = "unipile",
    window_seconds: int = 3600,
    kind: IdentityKind = "ids",
    max_types: int = 1000,
) -> IdentifiedEvent:
    """Make an event that is ready to be appended."""
    body = body_of(event_id) if data is None else data
    return IdentifiedEvent(
        event=make_event(id=event_id, type=event_type, data=body, assurance=assurance),
        tag=tag,
        identity=event_id.encode(),
        window_seconds=window_seconds,
        kind=kind,
        max_types=max_types,
    )


def make_endpoint(*secrets: str, **changes: Any) -> Endpoint:
    """Make an endpoint ``unipile``; the arguments are its secrets and what else matters."""
    values: dict[str, Any] = {
        "name": "unipile",
        "provider": PROVIDERS["unipile"],
        "secrets": tuple(Secret(secret, "env:TEST") for secret in secrets or (SECRET,)),
    }
    return Endpoint(**(values | changes))


def make_delivery(
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    endpoint: Endpoint | None = None,
    received_at_ms: int = NOW_MS,
    query: str = "",
) -> Delivery:
    """Make a delivery with just these headers.

    Raises:
        SignatureRefused: The signature header is missing or malformed.
    """
    endpoint, given = endpoint or make_endpoint(), CIMultiDict(headers or {})
    return Delivery(
        endpoint=endpoint,
        claim=examine_head(endpoint, given),
        headers=given,
        query=query,
        body=body,
        received_at_ms=received_at_ms,
    )


def make_signed(
    body: bytes,
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> Delivery:
    """Make a delivery that its sender signed at `NOW`."""
    return make_delivery(body, {**signed(body, NOW), **(headers or {})}, **changes)


def gzipped(plain: bytes) -> bytes:
    """Compress a body, to the same bytes at any time."""
    return gzip.compress(plain, mtime=0)


def now() -> int:
    """Give the present Unix second, for what a running gateway judges."""
    return int(time.time())
