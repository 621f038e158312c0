"""Verified delivery in, identified events out: id, type, account, time and stream of each.

It never refuses: whatever is verified is stored. Where an event has no usable type it goes to
``unidentified``; where it has no usable id, its digest is the id.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import msgspec

from relay.contract.event import Event, IdentifiedEvent, IdentityKind
from relay.contract.forms import signed_form
from relay.contract.keys import UNIDENTIFIED, is_event_type, tag_of
from relay.delivery import VerifiedDelivery
from relay.endpoint import Endpoint
from relay.identify.kept import (
    kept_headers,
    names_only,
    redacted,
    text,
    valid_traceparent,
)
from relay.identify.places import Found, finder_of
from relay.identify.reading import object_of, unpacked
from relay.identify.splitting import split
from relay.scheme import TwilioSignature

__all__ = ["identify", "identify_each"]

# The shortest for which an equal body counts as a repeat, however short its signature is good.
MIN_WINDOW_SECONDS = 600
MAX_ORIGINAL_TYPE = 1024

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)

# Id, what two deliveries of the event have in common, whether that is the sender's id or a digest,
# and for how many seconds it is remembered.
_Identity = tuple[str, bytes, IdentityKind, int]


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
    return _identified(verified, found, delivery.body)


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
    elements = split(unpacked(delivery.body), provider.event.split)
    if not elements:
        yield identify(verified)
        return
    batch_id = f"sha256:{hashlib.sha256(delivery.body).hexdigest()}"
    finder, repeats = finder_of(provider), Counter[bytes]()
    for index, element in enumerate(elements):
        found = finder.find(delivery, element.data, element.surroundings)
        if finder.id_is_shared and found[0] is not None:
            # Whoever knows an event by its id must not take one for another.
            found = (f"{found[0]}:{index}", *found[1:])
        digest = _digest(element.data)
        one = _identified(verified, found, element.data, repeats[digest])
        event = msgspec.structs.replace(
            one.event,
            content_encoding=None,
            batch_id=batch_id,
            batch_index=index,
            batch_size=len(elements),
        )
        yield msgspec.structs.replace(one, event=event)
        repeats[digest] += 1


def _identified(
    verified: VerifiedDelivery, found: Found, data: bytes, repeat: int = 0
) -> IdentifiedEvent:
    delivery = verified.delivery
    endpoint, headers = delivery.endpoint, delivery.headers
    sent_id, id_is_signed, sent_type, account, time, account_is_signed, original = found
    # What proves nothing must not keep out what comes under the same id.
    is_proved = verified.assurance != "none"
    usable_type = isinstance(sent_type, str) and is_event_type(sent_type)
    event_id, identity, kind, window_seconds = (
        _identity_without_id(verified, data, repeat)
        if sent_id is None
        else _identity(endpoint, (sent_id, id_is_signed and is_proved), data, repeat)
    )
    event = Event(
        id=event_id,
        source=endpoint.source,
        type=sent_type if usable_type else UNIDENTIFIED,
        data=data,
        received_at_ms=delivery.received_at_ms,
        assurance=verified.assurance,
        time=_valid_time(time),
        content_type=text(headers.get("content-type")),
        content_encoding=text(headers.get("content-encoding")),
        account=account,
        headers=kept_headers(headers, endpoint.provider.headers),
        query=_kept_query(verified) if delivery.query else None,
        traceparent=valid_traceparent(headers.get("traceparent")),
        original_type=original if usable_type else _shown_type(sent_type),
    )
    type_is_signed = finder_of(endpoint.provider).type_is_signed
    # Each partition has a dedupe index of its own, so what nobody signed chooses none where a
    # repeat is to be known whatever is written around it.
    is_loose = (kind == "ids" and not id_is_signed) or verified.assurance != "body"
    together = account if account_is_signed or is_loose else None
    alone = event_id if kind == "ids" else identity.hex()
    return IdentifiedEvent(
        event=event,
        tag=tag_of(endpoint.name, endpoint.partitions, together or alone),
        identity=identity,
        kind=kind,
        window_seconds=window_seconds,
        max_types=endpoint.max_types,
        max_new_types_per_hour=None if type_is_signed else endpoint.max_new_types_per_hour,
    )


def _kept_query(verified: VerifiedDelivery) -> str:
    delivery = verified.delivery
    secret = delivery.endpoint.provider.scheme.secret_parameter
    if secret and verified.assurance == "none":
        # It may hold the secret under another name, by mistake.
        return names_only(delivery.query)
    return redacted(delivery.query, secret)


def _identity(endpoint: Endpoint, sent: tuple[str, bool], data: bytes, repeat: int) -> _Identity:
    event_id, is_signed = sent
    if endpoint.replay == "strict" and not endpoint.provider.scheme.signs_time:
        # The body alone: whoever repeats it under another id or type repeats the event.
        body = b"\xff%b" % _digest(_digested(endpoint, data), repeat)
        return event_id, body, "bodies", endpoint.window_seconds
    identity = event_id.encode()
    if not is_signed or endpoint.changed_body == "store":
        # Between them a byte that no text has, so that no id looks like an id with a body.
        identity = b"%b\xff%b" % (identity, _digest(_digested(endpoint, data)))
    return event_id, identity, "ids", endpoint.window_seconds


def _identity_without_id(verified: VerifiedDelivery, data: bytes, repeat: int) -> _Identity:
    endpoint = verified.delivery.endpoint
    if not endpoint.provider.event.window_without_id_seconds:
        # Equal bodies are different events, so only the steps that follow here find it again.
        unique = _unique(verified.delivery.seed, data, repeat)
        return f"relay-{unique.hex()}", unique, "bodies", MIN_WINDOW_SECONDS
    is_strict = endpoint.replay == "strict" and not endpoint.provider.scheme.signs_time
    # Of two signed at different times one may be a new event, unless the sender tells them apart.
    bodies_differ = endpoint.provider.event.bodies_differ
    signed_at = b"" if bodies_differ else (verified.signed_at or "").encode()
    digest = hashlib.sha256(b"%b.%b" % (signed_at, _digested(endpoint, data)))
    if repeat:
        digest.update(b"\xff%d" % repeat)
    event_id = f"sha256:{digest.hexdigest()}"
    window_seconds = max(
        endpoint.window_seconds if is_strict else endpoint.provider.event.window_without_id_seconds,
        MIN_WINDOW_SECONDS,
        endpoint.signature_good_seconds,
    )
    return event_id, event_id.encode(), "bodies", window_seconds


def _unique(seed: bytes, data: bytes, repeat: int) -> bytes:
    """Give 16 bytes by which an event is found again: the same ones where that is wanted."""
    if not seed:
        return os.urandom(16)
    own = hashlib.blake2b(seed, digest_size=32).digest()
    return hashlib.blake2b(b"%d." % repeat + data, key=own, digest_size=16).digest()


def _digested(endpoint: Endpoint, data: bytes) -> bytes:
    """Give what two deliveries of one event have in common, byte for byte."""
    if isinstance(endpoint.provider.scheme, TwilioSignature) and data[:1] not in {b"{", b"["}:
        # Of a form not the bytes are signed: whoever writes them otherwise must not make events.
        with suppress(ValueError):
            return signed_form(data).encode()
    key = endpoint.provider.event.digested
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
