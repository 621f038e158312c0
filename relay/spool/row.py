"""One event as it lies in the spool: what to append, where, and what was tried already.

An identified event comes in, bytes go out, and back. A file may be read by another release than
wrote it: fields are named, and those that are not known are passed over.
"""

import msgspec

from relay.contract.errors import RelayError
from relay.contract.event import IdentifiedEvent

# Tag and event type: what a stream is called before a prefix is put in front.
Stream = tuple[str, str]

# What a row takes on the disk beside its event, nearly: columns, indexes, unused parts of pages.
ENVELOPE_BYTES = 400

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(IdentifiedEvent)


class UnreadableRow(RelayError):
    """A row of a spool file is not of our form."""


class Row(msgspec.Struct, frozen=True):
    """One event in a spool file.

    Args:
        sequence: Its place in the file, from 1.
        stream: Where it belongs.
        event: The identified event as bytes.
        spooled_at_ms: When it came into the file, ms since the epoch by this machine's clock.
        tried_at_ms: When it was sent to the store last, if it ever was: it may be there.
    """

    sequence: int
    stream: Stream
    event: bytes
    spooled_at_ms: int
    tried_at_ms: int | None = None

    @property
    def size_bytes(self) -> int:
        """How much room it takes, nearly."""
        return len(self.event) + ENVELOPE_BYTES


def stream_of(identified: IdentifiedEvent) -> Stream:
    """Say where an event belongs."""
    return identified.tag, identified.event.type


def encode(identified: IdentifiedEvent) -> bytes:
    """Write an event down.

    Raises:
        ValueError: It holds text that cannot be written.
    """
    return _encoder.encode(identified)


def decode(event: bytes) -> IdentifiedEvent:
    """Read an event again.

    Raises:
        UnreadableRow: The bytes are not of our form.
    """
    try:
        return _decoder.decode(event)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise UnreadableRow from None
