"""The form of a stream entry: an event to flat fields and back.

``decode(encode(event)) == event`` for every event. Fields without a value are left out; fields
that are not known are passed over, so that a newer gateway can write beside an older worker.

Source: Redis XADD; docs/reference/streams.md.
"""

from collections.abc import Mapping
from typing import cast, get_args

import msgspec

from relay.contract.errors import UnreadableEntry
from relay.contract.event import Assurance, Event

CONTRACT_VERSION = "1"

# Field of the entry -> attribute of the event, for all that are optional.
_TEXTS = {
    "time": "time",
    "datacontenttype": "content_type",
    "datacontentencoding": "content_encoding",
    "account": "account",
    "query": "query",
    "traceparent": "traceparent",
    "originaltype": "original_type",
    "batchid": "batch_id",
    "entryid": "entry_id",
    "reason": "reason",
}
_NUMBERS = {"batchindex": "batch_index", "batchsize": "batch_size"}
_ASSURANCES = frozenset(get_args(Assurance))
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
    except KeyError as error:
        name = cast("bytes", error.args[0]).decode()
        raise UnreadableEntry(f"field {name!r} is missing") from None
    except (ValueError, msgspec.MsgspecError) as error:
        raise UnreadableEntry(f"a field cannot be read: {type(error).__name__}") from error


def _decode(fields: Mapping[bytes, bytes]) -> Event:
    version = fields[b"relayversion"].decode()
    if version != CONTRACT_VERSION:
        raise UnreadableEntry(f"relayversion is {version[:8]!r}, this reader knows 1")
    assurance = fields[b"assurance"].decode()
    if assurance not in _ASSURANCES:
        raise UnreadableEntry("assurance is none of body, sender, none")
    texts = {attribute: fields.get(name.encode()) for name, attribute in _TEXTS.items()}
    numbers = {attribute: fields.get(name.encode()) for name, attribute in _NUMBERS.items()}
    return Event(
        id=fields[b"id"].decode(),
        source=fields[b"source"].decode(),
        type=fields[b"type"].decode(),
        data=fields[b"data"],
        received_at_ms=int(fields[b"receivedat"]),
        assurance=cast("Assurance", assurance),
        headers=_headers_decoder.decode(fields.get(b"headers", b"{}")),
        **{name: text.decode() for name, text in texts.items() if text is not None},  # type: ignore[arg-type]
        **{name: int(number) for name, number in numbers.items() if number is not None},  # type: ignore[arg-type]
    )
