"""Deliveries as they would lie in a stream: the sender's bytes of XADD, without a gateway.

A file of deliveries in, commands for a store out. So that the same sender can send the same events
past the gateway.
"""

from dataclasses import dataclass
from typing import Any

import hiredis

from bench.connection import Answer, Connection
from bench.deliveries import Deliveries, split
from bench.unipile import ACCOUNT, EVENT_TYPE
from relay.contract.entry import encode
from relay.contract.event import Event

_RECEIVED_AT_MS = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class Entries:
    """The events of deliveries, as commands that append them.

    Args:
        made: The deliveries.
        stream: Where they go.
    """

    made: Deliveries
    stream: str

    def request(self, number: int) -> bytes:
        """Give the XADD of one event, with the fields that the gateway would write."""
        _, body = split(self.made.request(number))
        event = event_of(self.made.event_id(number).decode(), body)
        # Typed as one word, of which any number are taken.
        words: Any = ("XADD", self.stream, "*", *encode(event))
        return bytes(hiredis.pack_command(words))


def event_of(event_id: str, body: bytes) -> Event:
    """Make an event as the gateway makes it of a delivery of Unipile's."""
    return Event(
        id=event_id,
        source="/webhooks/unipile",
        type=EVENT_TYPE,
        data=body,
        content_type="application/json",
        account=ACCOUNT,
        headers={"content-type": "application/json", "user-agent": "unipile-webhooks/2.0"},
        received_at_ms=_RECEIVED_AT_MS,
        assurance="body",
    )


class StoreConnection(Connection):
    """A connection to a store instead of a gateway: the id of an entry is an answer 200."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Hand on the answer once it is whole: a length and an id, or an error, a line each."""
        self._received += data
        is_error = self._received.startswith(b"-")
        if self._received.count(b"\r\n") < (1 if is_error else 2) or self.sent is None:
            return
        sent, self.sent, self._received = self.sent, None, b""
        self._answered(
            self, sent, Answer(500 if is_error else 200, closes=False, retry_after=False)
        )
