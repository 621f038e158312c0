"""The form of a stream entry: an event to flat fields and back.

``decode(encode(event)) == event`` for every event. Fields without a value are left out; fields
that are not known are passed over, so that a newer gateway can write beside an older worker.

Source: Redis XADD; docs/reference/streams.md.
"""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from relay.contract.errors import UnreadableEntry
from relay.contract.event import Assurance, Event

CONTRACT_VERSION = "1"
_VERSION = CONTRACT_VERSION.encode()
# So many fit into any reader's number; what else writes to a stream keeps to no such bound.
MAX_TIME_DIGITS = 19

# As in the entry -> as in the event.
_ASSURANCES: dict[bytes, Assurance] = {name.encode(): name for name in get_args(Assurance)}
# The others that are optional.
_TEXTS = {
    b"query": "query",
    b"traceparent": "traceparent",
    b"originaltype": "original_type",
    b"batchid": "batch_id",
    b"entryid": "entry_id",
    b"reason": "reason",
}
_TEXTS_OF_ALL = (b"id", b"source", b"type")
_NUMBERS = {b"batchindex": "batch_index", b"batchsize": "batch_size"}
_LESS_USUAL = frozenset((*_TEXTS, *_NUMBERS))
_headers_encoder = msgspec.json.Encoder()
_headers_decoder = msgspec.json.Decoder(dict[str, str])


def encode(event: Event) -> list[str | bytes]:
    """Write an event as the fields of an entry.

    Returns:
        Names and values in turn, ready for XADD; all are text but the last, which is the data.
    """
    # Spelt out, since every delivery passes here, and a loop over the names takes longer.
    fields: list[str | bytes] = ["specversion", "1.0", "id", event.id]
    fields += ("source", event.source, "type", event.type)
    if event.time is not None:
        fields += ("time", event.time)
    if event.content_type is not None:
        fields += ("datacontenttype", event.content_type)
    if event.content_encoding is not None:
        fields += ("datacontentencoding", event.content_encoding)
    if event.account is not None:
        fields += ("account", event.account)
    if event.query is not None:
        fields += ("query", event.query)
    if event.traceparent is not None:
        fields += ("traceparent", event.traceparent)
    fields += _less_usual(event)
    if event.headers:
        fields += ("headers", _headers_encoder.encode(event.headers).decode())
    fields += ("receivedat", str(event.received_at_ms), "assurance", event.assurance)
    fields += ("relayversion", CONTRACT_VERSION, "data", event.data)
    return fields


def _less_usual(event: Event) -> list[str]:
    fields: list[str] = []
    if event.original_type is not None:
        fields += ("originaltype", event.original_type)
    if event.batch_id is not None:
        fields += ("batchid", event.batch_id)
    if event.batch_index is not None:
        fields += ("batchindex", str(event.batch_index))
    if event.batch_size is not None:
        fields += ("batchsize", str(event.batch_size))
    if event.entry_id is not None:
        fields += ("entryid", event.entry_id)
    if event.reason is not None:
        fields += ("reason", event.reason)
    return fields


def decode(fields: Mapping[bytes, bytes]) -> Event:
    """Read an event from the fields of an entry.

    Raises:
        UnreadableEntry: A field is missing or not of its form; the message names it.
    """
    try:
        return _decode(fields)
    except (LookupError, ValueError, msgspec.MsgspecError) as error:
        raise _unreadable(error) from None


def checked(fields: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """Give the fields again if they hold an event, for less than it costs to read it.

    Raises:
        UnreadableEntry: A field that every event has is missing or not of its form. One that an
            event may have can still be unreadable.
    """
    try:
        _check(fields)
    except (LookupError, ValueError) as error:
        raise _unreadable(error) from None
    return fields


def _unreadable(error: Exception) -> UnreadableEntry:
    if isinstance(error, KeyError):
        return UnreadableEntry(f"field {error.args[0].decode()!r} is missing")
    return UnreadableEntry(f"a field cannot be read: {type(error).__name__}")


def _decode(fields: Mapping[bytes, bytes]) -> Event:
    _check(fields)
    # Spelt out, since every run passes here, and a loop over the names takes three times as long.
    get = fields.get
    time, account, headers = get(b"time"), get(b"account"), get(b"headers")
    content_type, content_encoding = get(b"datacontenttype"), get(b"datacontentencoding")
    return Event(
        id=fields[b"id"].decode(),
        source=fields[b"source"].decode(),
        type=fields[b"type"].decode(),
        data=fields[b"data"],
        received_at_ms=int(fields[b"receivedat"]),
        assurance=assurance_of(fields),
        time=None if time is None else time.decode(),
        content_type=None if content_type is None else content_type.decode(),
        content_encoding=None if content_encoding is None else content_encoding.decode(),
        account=None if account is None else account.decode(),
        headers={} if headers is None else _headers_decoder.decode(headers),
        **({} if _LESS_USUAL.isdisjoint(fields) else _less_usual_of(fields)),
    )


def assurance_of(fields: Mapping[bytes, bytes]) -> Assurance:
    """Read what was proved of an event whose entry was checked."""
    return _ASSURANCES[fields[b"assurance"]]


def _check(fields: Mapping[bytes, bytes]) -> None:
    version = fields[b"relayversion"]
    if version != _VERSION:
        raise UnreadableEntry(f"relayversion is {version.decode()[:8]!r}, this reader knows 1")
    if fields[b"assurance"] not in _ASSURANCES:
        raise UnreadableEntry("assurance is none of body, sender, none")
    for name in _TEXTS_OF_ALL:
        fields[name].decode()
    int(fields[b"receivedat"])
    if len(fields[b"receivedat"]) > MAX_TIME_DIGITS:
        raise UnreadableEntry("receivedat is no time")
    fields[b"data"]


def _less_usual_of(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = {
        attribute: fields[name].decode() for name, attribute in _TEXTS.items() if name in fields
    }
    found |= {
        attribute: int(fields[name]) for name, attribute in _NUMBERS.items() if name in fields
    }
    return found
