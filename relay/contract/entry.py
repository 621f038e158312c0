"""The form of a stream entry: an event to flat fields and back.

``decode(encode(event)) == event`` for every event. Fields without a value are left out; fields
that are not known are passed over, so that a newer gateway can write beside an older worker.

Source: Redis XADD; docs/reference/streams.md.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import cast, get_args

import msgspec

from relay.contract.errors import UnreadableEntry
from relay.contract.event import Assurance, Event

CONTRACT_VERSION = "1"

# Field of the entry -> attribute of the event, for all that are optional; the rest is text.
_NUMBERS = {"batchindex": "batch_index", "batchsize": "batch_size"}
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
_OPTIONAL = tuple(_TEXTS | _NUMBERS)
_values_of = attrgetter(*_TEXTS.values(), *_NUMBERS.values())
_ASSURANCES = frozenset(get_args(Assurance))
_headers_decoder = msgspec.json.Decoder(dict[str, str])


def encode(event: Event) -> list[str | bytes]:
    """Write an event as the fields of an entry.

    Returns:
        Names and values in turn, ready for XADD.
    """
    fields: list[str | bytes] = ["specversion", "1.0", "id", event.id]
    fields += ("source", event.source, "type", event.type)
    for name, value in zip(_OPTIONAL, _values_of(event), strict=True):
        if value is not None:
            fields += (name, str(value))
    if event.headers:
        fields += ("headers", msgspec.json.encode(event.headers))
    fields += ("receivedat", str(event.received_at_ms), "assurance", event.assurance)
    fields += ("relayversion", CONTRACT_VERSION, "data", event.data)
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
