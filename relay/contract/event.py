"""One event on its way into a stream, and again when it is read.

Attribute names follow CloudEvents 1.0 where it has one. ``data`` is what the sender sent, byte
for byte; nothing here parses it except on request. These are structs and no dataclasses, since
each delivery makes several, and a frozen dataclass sets every field by a call of its own.

Source: CloudEvents 1.0; docs/reference/streams.md; docs/adr/0014.
"""

import zlib
from collections.abc import Mapping
from typing import Literal

import msgspec

Assurance = Literal["body", "sender", "none"]
IdentityKind = Literal["ids", "bodies"]

# Each costs a copy of all that follow it, and no sender needs more than one.
MAX_MEMBERS = 16
GZIP_MAGIC = b"\x1f\x8b"


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an entry holds.

    Python's collector need not look at it: nothing that it holds leads back to it.

    Args:
        id: The sender's event id as sent, or ``sha256:…`` where there was none.
        source: ``/webhooks/<endpoint>``.
        type: Event type; names the stream.
        data: The body exactly as received, still in ``content_encoding``.
        received_at_ms: When the gateway had the body, ms since the epoch.
        assurance: What was proved: the body was signed, a static secret was right, nothing.
        time: The sender's time, RFC 3339, if it sent a valid one.
        content_type: As sent, if any.
        content_encoding: As sent, if any.
        account: Whose event it is, if the provider has accounts.
        headers: Allow-listed request headers, names in lower case; never credentials.
        query: Query string with credentials taken out, if any.
        traceparent: W3C trace context, if a valid one came.
        original_type: The sender's own type where it could not name the stream, is called
            otherwise here, or a filter gave the event another.
        batch_id: Digest of the whole body of a delivery that was split.
        batch_index: Place in that delivery, from 0.
        batch_size: How many events that delivery held.
        entry_id: Only in copies: the id of the entry copied.
        reason: Only in dead letters: why the event was set aside.
    """

    id: str
    source: str
    type: str
    data: bytes
    received_at_ms: int
    assurance: Assurance
    time: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    account: str | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    query: str | None = None
    traceparent: str | None = None
    original_type: str | None = None
    batch_id: str | None = None
    batch_index: int | None = None
    batch_size: int | None = None
    entry_id: str | None = None
    reason: str | None = None


class Batch(msgspec.Struct, frozen=True, gc=False):
    """The whole body of a delivery that holds several events, to be kept beside their entries.

    Args:
        id: Digest of the body as text; the entries name it as ``batchid``.
        body: What is kept, as it is.
        keep_seconds: For how long, 1 or more.
    """

    id: str
    body: bytes
    keep_seconds: int


class IdentifiedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event together with what decides whether it was seen before.

    Args:
        event: The event itself.
        tag: Endpoint or partition that holds it (`relay.contract.keys.tag_of`).
        identity: What two deliveries of one event have in common, any length.
        kind: What the identity is: the sender's event id, or a body's digest. Each kind has an
            index of its own, since each has a window of its own.
        window_seconds: How long the identity is remembered.
        max_types: How many streams the tag may have before new types go to ``unidentified``.
        max_new_types_per_hour: How many of these may begin within an hour, 0 or more; none for any
            number. For types that no signature covers.
        batch: Set where this event brings the whole body of its delivery: once per tag is enough.
    """

    event: Event
    tag: str
    identity: bytes
    window_seconds: int
    kind: IdentityKind = "ids"
    max_types: int = 1000
    max_new_types_per_hour: int | None = None
    batch: Batch | None = None


class Appended(msgspec.Struct, frozen=True):
    """The event has a new entry.

    Args:
        entry_id: Its id within the stream.
    """

    entry_id: str


class Duplicate(msgspec.Struct, frozen=True):
    """The event had an entry already; nothing was written.

    Args:
        entry_id: The first entry's id.
        changed_body: The same id came with another body.
    """

    entry_id: str
    changed_body: bool = False


class Spooled(msgspec.Struct, frozen=True):
    """The event is on the gateway's own disk, and is appended when the store takes it."""


def decompressed(data: bytes, content_encoding: str | None, limit_bytes: int) -> bytes:
    """Undo a body's content encoding, within a bound.

    Args:
        data: Body as received.
        content_encoding: The header as sent; none and ``identity`` mean plain.
        limit_bytes: How long the result may be.

    Returns:
        The plain body.

    Raises:
        ValueError: The encoding is not ``gzip`` or ``deflate``, the bytes are not in it, or the
            result would be longer than the limit.

    Source: RFC 1952, section 2.2: members of a gzip file follow one another.
    """
    encoding = (content_encoding or "identity").strip().lower()
    if encoding in {"", "identity"}:
        return data
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise ValueError(f"content encoding {encoding[:40]!r} is not one of gzip, deflate")
    plain = b""
    for _ in range(MAX_MEMBERS):
        inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, told by the head
        try:
            # A length of 0 would mean without bound.
            plain += inflate.decompress(data, limit_bytes + 1 - len(plain))
        except zlib.error as error:
            raise ValueError(f"the body is not {encoding}") from error
        if not inflate.eof or len(plain) > limit_bytes:
            raise ValueError(f"the body is cut short, or longer than {limit_bytes} bytes unpacked")
        data = inflate.unused_data
        if not data.startswith(GZIP_MAGIC):
            return plain  # what else follows is padding
    raise ValueError(f"the body is more than {MAX_MEMBERS} {encoding} members in a row")
