"""One HTTP/1.1 connection of a sender: a request out, its answer in, one at a time.

Bytes of a request come in, an answer or the loss of the connection goes to the owner. It never
opens itself again.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")


class Answer(NamedTuple):
    """What a sender was told.

    Args:
        status: The HTTP status.
        closes: The server will close the connection.
        retry_after: It says when to come again.
    """

    status: int
    closes: bool
    retry_after: bool


def parse(received: bytes) -> Answer | None:
    """Read one answer; nothing while it is not whole."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = received[:end].lower()
    length = _LENGTH.search(head)
    if length and len(received) < end + 4 + int(length[1]):
        return None
    return Answer(
        status=int(head[9:12]),
        closes=b"\r\nconnection: close" in head,
        retry_after=b"\r\nretry-after:" in head,
    )


@dataclass(slots=True)
class Sent:
    """A delivery in flight.

    Args:
        number: Which event.
        due: When it should have been sent, on the monotonic clock.
        at: When it was sent.
    """

    number: int
    due: float
    at: float


Answered = Callable[["Connection", Sent, Answer], None]
Lost = Callable[["Connection"], None]


class Connection(asyncio.Protocol):
    """A connection that its owner may use again and again.

    Args:
        answered: Called with each answer.
        lost: Called once, when the connection is gone; what was in flight is then `sent`.
    """

    __slots__ = ("_answered", "_lost", "_received", "_transport", "is_open", "sent")

    def __init__(
        self,
        answered: Answered,
        lost: Lost,
    ) -> None:
        self._answered = answered
        self._lost = lost
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.is_open = False
        self.sent: Sent | None = None

    def send(self, sent: Sent, request: bytes) -> None:
        """Send a request; the one before must have been answered."""
        self.sent = sent
        cast("asyncio.Transport", self._transport).write(request)

    def close(self) -> None:
        """Close without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as asyncio types it
        """Take note that it may be used."""
        self._transport = transport
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Hand on the answer once it is whole."""
        self._received = self._received + data if self._received else data
        answer = parse(self._received)
        if answer is not None and self.sent is not None:
            sent, self.sent, self._received = self.sent, None, b""
            self._answered(self, sent, answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a loss is a loss
        """Tell the owner."""
        self.is_open = False
        self._lost(self)
