"""One call of the append script: waiting events in, one verdict per event out."""

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from relay.contract.entry import encode
from relay.contract.errors import StoreFull, StoreUnavailable, StreamFull, TryLater
from relay.contract.event import Appended, Batch, Duplicate, IdentifiedEvent, IdentityKind
from relay.contract.keys import UNIDENTIFIED, Keys
from relay.contract.script import Call, Script

SCRIPT = Script("relay.append", "index", "streams", "oldest", "caps", "append")

# Types, mostly; a sender that invents more of them costs itself a little time.
MAX_ROUTES = 4096
# What an entry has beside its body, nearly.
ENVELOPE_BYTES = 512

_STR_OF_4, _STR_OF_16, _STR32 = b"\xa4", b"\xb0", b"\xdb"
_encoder = msgspec.msgpack.Encoder()

# What decides which route an event takes: prefix, tag, type, kind of identity, whether nothing is
# proved of it, window, how many types there may be and how many may begin within an hour, limits.
# One tuple, since it is made for each event, and looked up faster than so many arguments.
_Common = tuple[str, str, str, IdentityKind, bool, int, int, int | None, str]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What the script calls of many events have in common.

    Compared by identity: two that are alike only make a call a little longer.

    Args:
        keys: Stream, and book of the dedupe index.
        arguments: What the script takes for it.
    """

    keys: tuple[str, str]
    arguments: tuple[str | int, ...]


class Packed(msgspec.Struct, frozen=True):
    """An event with everything that its script call needs.

    Args:
        tag: Which script call it belongs to.
        route: What it has in common with others.
        identity: Its digest, as the script takes it.
        fingerprint: That of its body, likewise.
        fields: Names and values of its entry, likewise.
        size_bytes: Length of all that, nearly, for bounding a batch.
        batch: The whole body of its delivery, if it brings that.
    """

    tag: str
    route: Route
    identity: Raw
    fingerprint: Raw
    fields: Raw
    size_bytes: int
    batch: Batch | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What became of one event.

    Args:
        result: What the caller is told.
        registered: The type whose stream this event began, if it did.
        misplaced: The event went to ``unidentified`` because the tag has too many types, or too
            many new ones.
        is_news: There is more to report than that an event was appended.
    """

    result: Appended | Duplicate | TryLater
    registered: str | None = None
    misplaced: bool = False
    is_news: bool = True


class Dropped(msgspec.Struct, frozen=True):
    """What a stream lost because it was full, as its operator chose.

    Args:
        event_type: Of the stream.
        entries: How many of its oldest entries.
        unsettled: How many of them some group of the stream had not settled.
    """

    event_type: str
    entries: int
    unsettled: int


def pack(identified: IdentifiedEvent, keys: Keys, limits: str = "") -> Packed:
    """Lay out an event for the script.

    Args:
        identified: The event with its identity.
        keys: Makes the keys.
        limits: Those of its stream and of ``unidentified``, as caps.lua reads them; empty for none.

    The identity becomes a digest of 128 bits: ids are the sender's text, without a bound in
    length, and at times personal. The body's fingerprint only tells a changed body.

    Source: https://github.com/msgpack/msgpack/blob/master/spec.md: bytes are written as text
    here, since the script's library knows no other.
    """
    event, tag, batch = identified.event, identified.tag, identified.batch
    data = event.data
    length = len(data)
    fields: list[Any] = encode(event)
    fields[-1] = Raw(_STR32 + length.to_bytes(4) + data)
    return Packed(
        tag,
        _route(
            (
                keys.prefix,
                tag,
                event.type,
                identified.kind,
                event.assurance == "none",
                identified.window_seconds,
                identified.max_types,
                identified.max_new_types_per_hour,
                limits,
            )
        ),
        Raw(_STR_OF_16 + digest_of(identified.identity)),
        Raw(_STR_OF_4 + zlib.crc32(data).to_bytes(4)),
        # Here and not with the batch: text that cannot be written must not spoil its neighbours.
        Raw(_encoder.encode(fields)),
        ENVELOPE_BYTES + length + (0 if batch is None else len(batch.body)),
        batch,
    )


def digest_of(identity: bytes) -> bytes:
    """Give the 16 bytes by which the index knows an identity."""
    return hashlib.blake2b(identity, digest_size=16).digest()


def call_arguments(tag: str, batch: Sequence[Packed], keys: Keys) -> Call:
    """Give keys and arguments of the call that appends a batch of one tag."""
    numbers: dict[Route, int] = {}
    events: list[tuple[Any, ...]] = [
        (
            numbers.setdefault(event.route, len(numbers) + 1),
            event.identity,
            event.fingerprint,
            event.fields,
        )
        for event in batch
    ]
    names = [*_keys_of(keys.prefix, tag)]
    values: list[Any] = [len(numbers)]
    for route in numbers:
        names += route.keys
        values += route.arguments
    batches: dict[str, Batch] = {}
    for each in batch:
        if each.batch is not None:
            batches[each.batch.id] = each.batch
    if batches:
        names += (keys.batch(tag, batch_id) for batch_id in batches)
        events = _naming(events, batch, list(batches))
    values.append(_encoder.encode(events))
    for whole in batches.values():
        values += (whole.body, whole.keep_seconds)
    return names, values


def _naming(
    events: list[tuple[Any, ...]], batch: Sequence[Packed], batch_ids: list[str]
) -> list[tuple[Any, ...]]:
    """Add to the events that bring a whole body which it is, so that each travels once."""
    return [
        event if packed.batch is None else (*event, 1 + batch_ids.index(packed.batch.id))
        for event, packed in zip(events, batch, strict=True)
    ]


def read_reply(reply: Sequence[bytes], events: int) -> tuple[list[Verdict], list[Dropped]]:
    """Read what the script says of so many events, and of the streams that had to make room."""
    dropped = []
    for notice in reply[events:]:
        _, event_type, settled, unsettled = notice.decode().split(" ")
        dropped.append(Dropped(event_type, int(settled) + int(unsettled), int(unsettled)))
    return [read_verdict(verdict) for verdict in reply[:events]], dropped


def read_verdict(reply: bytes) -> Verdict:
    """Read what the script says of one event."""
    code, rest = reply[:1], reply[2:].decode("utf-8", "replace")
    if code == b"A" and " " not in rest:
        return Verdict(Appended(rest), is_news=False)
    if code == b"E":
        return Verdict(refusal(rest))
    if code == b"F":
        return Verdict(StreamFull(rest))
    entry_id, _, registered = rest.partition(" ")
    if code in b"DC":
        return Verdict(Duplicate(entry_id, changed_body=code == b"C"))
    return Verdict(Appended(entry_id), registered or None, misplaced=code == b"U")


def unconfirmed(verdict: Verdict) -> Verdict:
    """Give what is said where too few replicas have the event; what was refused stays so."""
    if isinstance(verdict.result, TryLater):
        return verdict
    return Verdict(StoreUnavailable("too few replicas confirm"), verdict.registered)


def comes_from_replica(message: str) -> bool:
    """Tell whether an error of the script says that no primary answered."""
    return re.search(r"(?:^|-)READONLY ", message) is not None


def refusal(message: str) -> TryLater:
    """Sort an error of the store by what the sender should be told."""
    # Redis 6.2 puts the place in the script before the word.
    if re.search(r"(?:^|-)OOM ", message):
        return StoreFull(message)
    return StoreUnavailable(message)


@lru_cache(MAX_ROUTES)
def _keys_of(prefix: str, tag: str) -> tuple[str, str]:
    """Give the keys that each call for a tag has."""
    keys = Keys(prefix)
    return keys.streams(tag), keys.stream(tag, UNIDENTIFIED)


@lru_cache(MAX_ROUTES)
def _route(common: _Common) -> Route:
    prefix, tag, event_type, kind, unproved, window_seconds, max_types, max_new, limits = common
    keys = Keys(prefix)
    book = keys.seen_none(tag, kind) if unproved else keys.seen(tag, kind)
    new_types = 0 if unproved else "" if max_new is None else max_new
    # A slice of the index is half a window long.
    arguments = (event_type, 500 * window_seconds, max_types, new_types, limits)
    return Route((keys.stream(tag, event_type), book), arguments)
