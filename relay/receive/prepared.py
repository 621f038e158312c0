"""The 200 of a stored delivery as one piece of bytes.

It says what `relay.receive.answers.answer` would say, but goes past the steps by which aiohttp
makes headers and body of a response: those cost more than verifying the delivery. Only for
requests that need nothing special; every other answer is an ordinary response.

Source: aiohttp, `StreamResponse.prepare` and `AbstractStreamWriter.write_eof`; docs/adr/0014.
"""

import time
from email.utils import formatdate

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from relay.http.answers import SERVER, request_id
from relay.pipeline import Accepted
from relay.receive.answers import entry_id_of, header_safe, text_of


class Prepared(web.StreamResponse):
    """An answer that is written as it is, on a connection that is kept.

    Args:
        wire: Status line, headers and body.
    """

    def __init__(self, wire: bytes) -> None:
        super().__init__()
        self._wire = wire

    @property
    def keep_alive(self) -> bool:
        """Say that the connection stays open; it is used for such requests only."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Write all of it.

        Raises:
            ConnectionError: The sender is gone.
        """
        writer = request.writer
        await writer.write_eof(self._wire)
        if request.protocol.writing_paused:
            await writer.drain()
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: it has been written."""


def may_be_prepared(request: web.BaseRequest) -> bool:
    """Say whether a request can be answered so."""
    return request.keep_alive and request.version == HttpVersion11


def prepared(done: Accepted) -> Prepared:
    """Make the answer to a delivery that was accepted."""
    text, entry_id = text_of(done), entry_id_of(done)
    entry = "" if entry_id is None else f"relay-entry-id: {entry_id}\r\n"
    return Prepared(
        (
            f"{_head.now()}relay-request-id: {request_id()}\r\n"
            f"relay-event-id: {header_safe(done.event_id)}\r\n{entry}"
            f"content-length: {len(text)}\r\n\r\n{text}"
        ).encode()
    )


class _Head:
    """What all answers of one second begin with."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = (
                f"HTTP/1.1 200 OK\r\nserver: {SERVER}\r\n"
                f"date: {formatdate(second, usegmt=True)}\r\ncontent-type: application/json\r\n"
            )
        return self._text


_head = _Head()
