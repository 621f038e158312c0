"""One kept-alive connection of the open-loop sender: one delivery on it at a time.

Requests in, the status of each answer out. It keeps no time and sends nothing by itself.

Source: RFC 9112, sections 6.3 and 9.3
"""

import asyncio
from typing import Protocol, cast

_OK = b"HTTP/1.1 200 "


class Listener(Protocol):
    """Who is told what comes back."""

    def answered(self, connection: "Connection", intended_ns: int, *, is_ok: bool) -> None:
        """Hear of a whole answer."""

    def lost(self, connection: "Connection") -> None:
        """Hear that a connection has ended."""


class Connection(asyncio.Protocol):
    """One kept-alive connection: one delivery on it at a time.

    Args:
        sender: Who is told of answers, and of the end.
    """

    def __init__(self, sender: Listener) -> None:
        self._sender = sender
        self._transport: asyncio.Transport | None = None
        self._answer = b""
        self._intended_ns = 0
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, intended_ns: int) -> None:
        """Send a delivery that was meant for a time."""
        assert self._transport is not None
        self._intended_ns, self.is_busy = intended_ns, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take an answer in, maybe in pieces."""
        self._answer += data
        if is_whole(self._answer):
            is_ok, self._answer = self._answer.startswith(_OK), b""
            self.is_busy = False
            self._sender.answered(self, self._intended_ns, is_ok=is_ok)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """Say that nothing more comes."""
        self._sender.lost(self)

    def close(self) -> None:
        """Hang up."""
        assert self._transport is not None
        self._transport.close()


def is_whole(answer: bytes) -> bool:
    """Tell whether the bytes are a whole answer; each has a length, none is chunked."""
    head_end = answer.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    head = answer[:head_end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return len(answer) >= head_end + 4 + length
