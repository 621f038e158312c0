"""Verified delivery in, identified events out: id, type, account, time and stream of each.

It never refuses: whatever is verified is stored. Where an event has no usable type it goes to
``unidentified``; where it has no usable id, its digest is the id.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from relay.contract.event import Event, IdentifiedEvent, IdentityKind
from relay.contract.keys import UNIDENTIFIED, is_event_type, tag_of
from relay.delivery import VerifiedDelivery
from relay.endpoint import Endpoint
from relay.identify.kept import kept_headers, redacted, text, valid_traceparent
from relay.identify.places import Found, finder_of
from relay.identify.reading import object_of, unpacked
from relay.identify.splitting import split

__all__ = ["identify", "identify_each"]

# The shortest for which an equal body counts as a repeat, however short its signature is good.
MIN_WINDOW_SECONDS = 600
MAX_ORIGINAL_TYPE = 1024

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class _Part(msgspec.Struct, frozen=True):
    """What one event of a delivery is, apart from what it says of itself.

    Args:
        data: Its bytes, as they are kept.
        more: Fields that only events of a split delivery have, or that all of it has.
        repeat: How many events before it in the same delivery are equal to it.
    """

    data: bytes
    more: dict[str, Any]
    repeat: int = 0


class _Identity(msgspec.Struct, frozen=True):
    """Under what an event is remembered.

    Args:
        id: Its id.
        text: What two deliveries of it have in common.
        kind: Whether that is the sender's id or a digest.
        window_seconds: For how long.
    """

    id: str
    text: bytes
    kind: IdentityKind
    window_seconds: int


def identify(verified: VerifiedDelivery) -> IdentifiedEvent:
    """Say which event a delivery carries, and which stream is its own.

    Args:
        verified: A delivery whose origin is proved.

    Returns:
        The event, with the identity under which it is remembered: the sender's event id where
        that lies inside the signed bytes, else id and body together; with it the body where
        another body is to be another event; without an id, the digest of signed timestamp and
        body.
    """
    delivery = verified.delivery
    found = finder_of(delivery.endpoint.provider).find(delivery, unpacked(delivery.body))
    return _identified(verified, found, _Part(delivery.body, _of_request(verified)))


def identify_each(verified: VerifiedDelivery) -> Iterator[IdentifiedEvent]:
    """Say which events a delivery carries, where a body may hold several.

    Args:
        verified: A delivery whose origin is proved.

    Returns:
        The events in their order, with the exact bytes of each; the whole body as one event,
        where there is no array in it.
    """
    delivery = verified.delivery
    provider = delivery.endpoint.provider
    plain = unpacked(delivery.body)
    elements = split(plain, provider.event.split)
    if not elements:
        yield identify(verified)
        return
    common = _of_request(verified) | {
        "content_encoding": None,
        "batch_id": f"sha256:{hashlib.sha256(delivery.body).hexdigest()}",
        "batch_size": len(elements),
    }
    finder, repeats = finder_of(provider), Counter[bytes]()
    for index, element in enumerate(elements):
        found = finder.find(delivery, element.data, element.surroundings)
        digest = _digest(element.data)
        more = {**common, "batch_index": index}
        yield _identified(verified, found, _Part(element.data, more, repeats[digest]))
        repeats[digest] += 1


def _of_request(verified: VerifiedDelivery) -> dict[str, Any]:
    """Give what all events of a delivery have in common."""
    delivery = verified.delivery
    headers = delivery.headers
    return {
        "source": delivery.endpoint.source,
        "received_at_ms": delivery.received_at_ms,
        "assurance": verified.assurance,
        "content_type": text(headers.get("content-type")),
        "content_encoding": text(headers.get("content-encoding")),
        "headers": kept_headers(headers, delivery.endpoint.provider.headers),
        "query": redacted(delivery.query) if delivery.query else None,
        "traceparent": valid_traceparent(headers.get("traceparent")),
    }


def _identified(verified: VerifiedDelivery, found: Found, part: _Part) -> IdentifiedEvent:
    endpoint = verified.delivery.endpoint
    usable_type = isinstance(found.type, str) and is_event_type(found.type)
    identity = _identity(verified, found, part)
    event = Event(
        id=identity.id,
        type=found.type if usable_type else UNIDENTIFIED,
        data=part.data,
        time=_valid_time(found.time),
        account=found.account,
        original_type=None if usable_type else _shown_type(found.type),
        **part.more,
    )
    type_is_signed = finder_of(endpoint.provider).type_is_signed
    return IdentifiedEvent(
        event=event,
        tag=tag_of(endpoint.name, endpoint.partitions, found.account or identity.id),
        identity=identity.text,
        kind=identity.kind,
        window_seconds=identity.window_seconds,
        max_types=endpoint.max_types,
        max_new_types_per_hour=None if type_is_signed else endpoint.max_new_types_per_hour,
    )


def _identity(verified: VerifiedDelivery, found: Found, part: _Part) -> _Identity:
    endpoint = verified.delivery.endpoint
    scheme, places = endpoint.provider.scheme, endpoint.provider.event
    if found.id is None:
        return _identity_without_id(verified, part)
    text = found.id.encode("utf-8", "surrogatepass")
    if endpoint.replay == "strict" and not scheme.signs_time:
        # The body alone: whoever repeats it under another id or type repeats the event.
        body = b"\xff%b" % _digest(_digested(part.data, places.digested), part.repeat)
        return _Identity(found.id, body, "bodies", endpoint.window_seconds)
    if not found.id_is_signed or endpoint.changed_body == "store":
        # Between them a byte that no text has, so that no id looks like an id with a body.
        text = b"%b\xff%b" % (text, _digest(_digested(part.data, places.digested)))
    return _Identity(found.id, text, "ids", endpoint.window_seconds)


def _identity_without_id(verified: VerifiedDelivery, part: _Part) -> _Identity:
    endpoint = verified.delivery.endpoint
    places = endpoint.provider.event
    if not places.window_without_id_seconds:
        # Equal bodies are different events, so only the steps that follow here find it again.
        unique = os.urandom(16)
        return _Identity(f"relay-{unique.hex()}", unique, "bodies", MIN_WINDOW_SECONDS)
    signed_at = (verified.signed_at or "").encode()
    digested = hashlib.sha256(b"%b.%b" % (signed_at, _digested(part.data, places.digested)))
    if part.repeat:
        digested.update(b"%d" % part.repeat)
    event_id = f"sha256:{digested.hexdigest()}"
    window_seconds = max(_window_without_id(endpoint), endpoint.signature_good_seconds)
    return _Identity(event_id, event_id.encode(), "bodies", window_seconds)


def _window_without_id(endpoint: Endpoint) -> int:
    if endpoint.replay == "strict" and not endpoint.provider.scheme.signs_time:
        return endpoint.window_seconds
    return max(MIN_WINDOW_SECONDS, endpoint.provider.event.window_without_id_seconds)


def _digested(data: bytes, key: str) -> bytes:
    """Give what two deliveries of one event have in common, byte for byte."""
    value = object_of(unpacked(data)).get(key) if key else None
    return data if value is None else bytes(value)


def _digest(data: bytes, repeat: int = 0) -> bytes:
    digest = hashlib.blake2b(data, digest_size=16)
    if repeat:
        digest.update(b"\xff%d" % repeat)
    return digest.digest()


def _shown_type(sent_type: object) -> str | None:
    if not isinstance(sent_type, str):
        return None
    return sent_type[:MAX_ORIGINAL_TYPE]


def _valid_time(value: object) -> str | None:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    return value
