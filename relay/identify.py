"""Verified delivery in, identified event out: its id, type, account, time and stream.

It never refuses: whatever is verified is stored. Where the body has no usable type the event
goes to ``unidentified``; where it has no usable id, its digest is the id.
"""

import codecs
import hashlib
import re
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from relay.contract.event import GZIP_MAGIC, Event, IdentifiedEvent, IdentityKind, decompressed
from relay.contract.keys import UNIDENTIFIED, is_event_type, tag_of
from relay.delivery import Delivery, VerifiedDelivery
from relay.endpoint import Provider

# An equal body without an id is more likely a new event than a repeat, so it is remembered for a
# short time only: as long as its signature is good, and never less than this.
MIN_WINDOW_WITHOUT_ID_SECONDS = 600

# How far a compressed body is unpacked to look for its id and type.
MAX_UNPACKED_BYTES = 16 * 1024 * 1024
MAX_ORIGINAL_TYPE = 1024

KEPT_HEADERS = (
    "content-type",
    "content-encoding",
    "content-language",
    "user-agent",
    "idempotency-key",
    "x-request-id",
)
_CREDENTIAL = re.compile(
    r"token|secret|password|passwd|signature|credential|apikey"
    r"|(?:^|[-_.\[])(?:auth|authorization|code|jwt|key|pass|pw|session|sig)(?:$|[-_.\]])",
    re.IGNORECASE,
)
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)

# A whole pair of surrogates, or an escaped backslash, is kept; half a pair, as an escape or as
# bytes that UTF-8 does not allow, is replaced.
_HALVES = re.compile(
    rb"((?:\\\\)++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\xed[\xa0-\xbf][\x80-\xbf]"
)
# No JSON begins so.
ZLIB_MAGIC = b"x"
CUT = "\N{REPLACEMENT CHARACTER}"


class _Envelope(msgspec.Struct):
    """The few values of a body that are needed, whatever a provider calls them."""

    id: Any = None
    type: Any = None
    account: Any = None
    time: Any = None


_decoders: dict[str, msgspec.json.Decoder[_Envelope]] = {}


def identify(verified: VerifiedDelivery) -> IdentifiedEvent:
    """Say which event a delivery carries, and which stream is its own.

    Args:
        verified: A delivery whose origin is proved.

    Returns:
        The event, with the identity under which it is remembered: the sender's event id, which
        lies inside the signed bytes, and with it the body where another body is to be another
        event; without an id, the digest of signed timestamp and body.
    """
    delivery = verified.delivery
    endpoint = delivery.endpoint
    provider = endpoint.provider
    envelope = _envelope(delivery.body, provider)
    sent_type = envelope.type
    usable_type = isinstance(sent_type, str) and is_event_type(sent_type)
    event_id, window_seconds = _usable_text(envelope.id), endpoint.window_seconds
    kind: IdentityKind = "ids"
    if event_id is None:
        event_id, kind = _digest_id(verified), "bodies"
        window_seconds = max(MIN_WINDOW_WITHOUT_ID_SECONDS, endpoint.signature_good_seconds)
    account = _usable_text(envelope.account)
    event = Event(
        id=event_id,
        source=endpoint.source,
        type=sent_type if usable_type else UNIDENTIFIED,
        data=delivery.body,
        received_at_ms=delivery.received_at_ms,
        assurance=verified.assurance,
        time=_valid_time(envelope.time),
        content_type=_text(delivery.headers.get("content-type")),
        content_encoding=_text(delivery.headers.get("content-encoding")),
        account=account,
        headers=_kept_headers(delivery, provider),
        query=_redacted(delivery.query) if delivery.query else None,
        traceparent=_valid_traceparent(delivery.headers.get("traceparent")),
        original_type=None if usable_type else _shown_type(sent_type),
    )
    return IdentifiedEvent(
        event=event,
        tag=tag_of(endpoint.name, endpoint.partitions, account or event_id),
        identity=_identity(event_id, kind, delivery),
        kind=kind,
        window_seconds=window_seconds,
        max_types=endpoint.max_types,
    )


def _envelope(body: bytes, provider: Provider) -> _Envelope:
    """Read the few keys that are needed; all are none where the body is no JSON object."""
    plain = _unpacked(body)
    try:
        return _decoder(provider).decode(plain)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: text not UTF-8
        return _leniently(plain, provider)


def _unpacked(body: bytes) -> bytes:
    """Unpack what looks packed, whatever the header says.

    A header is not signed: whoever repeats a delivery with another must not make another event.
    """
    if body.startswith(GZIP_MAGIC):
        encoding = "gzip"
    elif body.startswith(ZLIB_MAGIC):
        encoding = "deflate"
    else:
        return body
    try:
        return decompressed(body, encoding, MAX_UNPACKED_BYTES)
    except ValueError:
        return body


def _leniently(plain: bytes, provider: Provider) -> _Envelope:
    """Read what the strict decoder refuses for half an emoji at the end of a cut text, or a BOM.

    Real senders cut strings between the two halves of a surrogate pair; that must not cost an
    event its type. What the cut went through itself is no id: two of them could look the same.
    """
    mended = _HALVES.sub(
        lambda found: found[1] or CUT.encode(), plain.removeprefix(codecs.BOM_UTF8)
    )
    if mended == plain:
        return _Envelope()
    try:
        envelope = _decoder(provider).decode(mended)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Envelope()
    return _Envelope(
        id=_unless_cut(envelope.id),
        type=envelope.type,
        account=_unless_cut(envelope.account),
        time=envelope.time,
    )


def _unless_cut(value: object) -> object:
    return None if isinstance(value, str) and CUT in value else value


def _keys(provider: Provider) -> dict[str, str]:
    return {
        "id": provider.id_key,
        "type": provider.type_key,
        "account": provider.account_key,
        "time": provider.time_key,
    }


def _decoder(provider: Provider) -> msgspec.json.Decoder[_Envelope]:
    decoder = _decoders.get(provider.name)
    if decoder is None:
        keys = _keys(provider)
        # Each field is named again: inherited ones would keep their names whatever `rename` says.
        fields = [(name, Any, None) for name in keys]
        envelope = msgspec.defstruct("Envelope", fields, bases=(_Envelope,), rename=keys)
        decoder = _decoders[provider.name] = msgspec.json.Decoder(envelope)
    return decoder


def _usable_text(value: object) -> str | None:
    """Give a string that is not empty."""
    return value if isinstance(value, str) and value else None


def _text(value: str | None) -> str | None:
    return value if value is None or value.isascii() else _utf8(value)


def _utf8(value: str) -> str:
    """Make a header's text UTF-8; aiohttp hands on bytes that are not as surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _digest_id(verified: VerifiedDelivery) -> str:
    signed_at = (verified.signed_at or "").encode()
    body = verified.delivery.body
    return f"sha256:{hashlib.sha256(b'%b.%b' % (signed_at, body)).hexdigest()}"


def _identity(event_id: str, kind: IdentityKind, delivery: Delivery) -> bytes:
    identity = event_id.encode()
    if kind == "bodies" or delivery.endpoint.changed_body == "drop":
        return identity
    # Between them a byte that no text has, so that no id looks like an id with a body.
    return b"%b\xff%b" % (identity, hashlib.blake2b(delivery.body, digest_size=16).digest())


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


def _valid_traceparent(value: str | None) -> str | None:
    return value if value is not None and _TRACEPARENT.fullmatch(value) else None


def _kept_headers(delivery: Delivery, provider: Provider) -> dict[str, str]:
    kept, headers = {}, delivery.headers
    for name in (*KEPT_HEADERS, *provider.headers):
        value = headers.get(name)
        if value is not None:
            kept[name] = value if value.isascii() else _utf8(value)
    return kept


def _redacted(query: str) -> str:
    """Keep a query string, but not what looks like a credential in it."""
    return _utf8("&".join(_redacted_part(part) for part in query.split("&")))


def _redacted_part(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}=redacted" if equals and _CREDENTIAL.search(unquote_plus(name)) else part
