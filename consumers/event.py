"""The event as a handler sees it."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from relay.contract import event as contract
from relay.contract.event import Assurance, decompressed

# A body is at most 10 MiB by default; what it unpacks to is bounded as well.
MAX_UNPACKED_BYTES = 256 * 1024 * 1024


class Event:
    """One event, handed to a handler at least once.

    The ``id`` is the same each time, so a handler that must not act twice remembers it.

    Args:
        stored: What the entry holds.
        entry_id: The entry's id in its stream.
        attempt: Which run of the handler this is, from 1.
    """

    __slots__ = ("_stored", "attempt", "entry_id")

    def __init__(self, stored: contract.Event, *, entry_id: str, attempt: int) -> None:
        self._stored = stored
        self.entry_id = entry_id
        self.attempt = attempt

    @property
    def id(self) -> str:
        """The sender's event id."""
        return self._stored.id

    @property
    def type(self) -> str:
        """The event type; names the stream."""
        return self._stored.type

    @property
    def source(self) -> str:
        """``/webhooks/<endpoint>``."""
        return self._stored.source

    @property
    def endpoint(self) -> str:
        """The endpoint that received it."""
        return self._stored.source.rpartition("/")[2]

    @property
    def account(self) -> str | None:
        """Whose event it is, if the provider has accounts."""
        return self._stored.account

    @property
    def time(self) -> str | None:
        """The sender's time, RFC 3339, if it sent a valid one."""
        return self._stored.time

    @property
    def received_at(self) -> float:
        """When the gateway received it, seconds since the epoch."""
        return self._stored.received_at_ms / 1000

    @property
    def content_type(self) -> str | None:
        """The body's content type as sent, if any."""
        return self._stored.content_type

    @property
    def assurance(self) -> Assurance:
        """What was proved of its origin: ``body``, ``sender`` or ``none``."""
        return self._stored.assurance

    @property
    def data(self) -> bytes:
        """The body, exactly as received."""
        return self._stored.data

    @property
    def headers(self) -> Mapping[str, str]:
        """The allow-listed request headers, names in lower case."""
        return self._stored.headers

    def json(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Parse the body, unpacked if it came compressed.

        Raises:
            ValueError: The body is not JSON, or not in the encoding it names.
        """
        plain = decompressed(self.data, self._stored.content_encoding, MAX_UNPACKED_BYTES)
        try:
            return msgspec.json.decode(plain)
        except msgspec.DecodeError:
            # Half an emoji, as senders leave it when they cut a text, is JSON to Python only.
            return json.loads(plain)

    def __repr__(self) -> str:
        return f"<Event {self.type} {self.id!r} attempt {self.attempt}>"
