"""Events for tests, complete but for what the test is about."""

import itertools
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack

import msgspec

from consumers.event import Event
from relay.contract import event as contract
from relay.contract.event import Assurance
from relay.contract.examples import example, example_types
from relay.contract.keys import EVENT_TYPE, is_name

_numbers = itertools.count(1)


class EventFields(TypedDict, total=False):
    """What may be said of an event that is made; what is left out gets a usual value.

    Keys:
        id: The sender's event id; by default a new one each time.
        endpoint: That received it; ``unipile`` by default.
        account: Whose event it is; none by default.
        time: The sender's time, RFC 3339.
        received_at: When the gateway received it, seconds since the epoch; now by default.
        content_type: Of the body; ``application/json`` by default.
        headers: Allow-listed request headers, names in lower case.
        assurance: What was proved of its origin; ``body`` by default.
        traceparent: The sender's trace context.
        attempt: Which run of its handler the next one is, from 1.
    """

    id: str
    endpoint: str
    account: str | None
    time: str | None
    received_at: float
    content_type: str | None
    headers: Mapping[str, str]
    assurance: Assurance
    traceparent: str | None
    attempt: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that comes later than the run begins.

    Args:
        event: The event.
        after_seconds: How long after the begin of the run, in its moved time.
    """

    event: Event
    after_seconds: float


def make_event(
    type: str = "message.new",  # noqa: A002 - the field's own word
    *,
    json: Any = None,  # noqa: ANN401 - whatever JSON can hold
    data: bytes | str | None = None,
    **fields: Unpack[EventFields],
) -> Event:
    """Make an event as a handler sees it.

    Args:
        type: The event type.
        json: The body, to be written as JSON.
        data: The body as it is, where it is no JSON; by default a small one with id and type.
        fields: See `EventFields`.

    Raises:
        ValueError: The gateway would not store such an event.
    """
    if json is not None and data is not None:
        raise ValueError("make_event takes json=… or data=…, not both")
    event_id = fields.get("id") or f"evt_{next(_numbers)}"
    if data is None:
        body = msgspec.json.encode({"id": event_id, "type": type} if json is None else json)
    else:
        body = data.encode() if isinstance(data, str) else data
    return _made(type, event_id, body, fields)


def unipile_event(
    type: str = "message.new",  # noqa: A002 - the field's own word
    *,
    payload: Mapping[str, Any] | None = None,
    provider: str | None = None,
    **fields: Unpack[EventFields],
) -> Event:
    """Make an event as Unipile sends it: all of it is made up.

    Args:
        type: One of `unipile_types`; any other gets a small payload.
        payload: What is to be different in the example's payload; objects are merged.
        provider: What ``account_provider`` says, as ``linkedin``.
        fields: See `EventFields`; id and account are written into the body too.

    Source: https://developer.unipile.com/v2.0/reference/event-types-1
    """
    received_at = fields.setdefault("received_at", clock.time())
    body = msgspec.json.decode(example("unipile", type, datetime.fromtimestamp(received_at, UTC)))
    body["id"] = fields.setdefault("id", f"evt_{next(_numbers)}")
    body["account_id"] = fields.setdefault("account", body["account_id"])
    body["account_provider"] = provider or body.get("account_provider", "whatsapp")
    body["payload"] = _merged(body["payload"], payload or {})
    fields.setdefault("time", body["created_at"])
    return make_event(type, json=body, **fields)


def unipile_types() -> list[str]:
    """List the event types of Unipile that have an example of their own."""
    return example_types("unipile")


def _made(event_type: str, event_id: str, body: bytes, fields: EventFields) -> Event:
    endpoint = fields.get("endpoint", "unipile")
    if not is_name(endpoint):
        raise ValueError(f"endpoint {endpoint!r}: 1 to 63 lower-case letters, digits and hyphens")
    if not EVENT_TYPE.fullmatch(event_type):
        raise ValueError(f"type {event_type!r}: 1 to 128 letters, digits and . _ : / -")
    received_at_ms = round(1000 * fields.get("received_at", clock.time()))
    stored = contract.Event(
        id=event_id,
        source=f"/webhooks/{endpoint}",
        type=event_type,
        data=body,
        received_at_ms=received_at_ms,
        assurance=fields.get("assurance", "body"),
        time=fields.get("time"),
        content_type=fields.get("content_type", "application/json"),
        account=fields.get("account"),
        headers=dict(fields.get("headers", {})),
        traceparent=fields.get("traceparent"),
    )
    return Event(stored, entry_id=f"{received_at_ms}-0", attempt=fields.get("attempt", 1))


def _merged(whole: Any, changes: Any) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(whole, Mapping) or not isinstance(changes, Mapping):
        return changes
    return {**whole, **{name: _merged(whole.get(name), new) for name, new in changes.items()}}
