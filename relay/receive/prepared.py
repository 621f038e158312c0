"""The answer to a delivery as one piece of bytes.

It says what `relay.receive.answers.answer` would say, but goes past the steps by which aiohttp
makes headers and body of a response: those cost more than verifying the delivery, and whoever
sends junk must not cost more than who does not. Only for requests that need nothing special;
every other answer is an ordinary response.

Source: aiohttp, `StreamResponse.prepare` and `AbstractStreamWriter.write_eof`; docs/adr/0014.
"""

import time
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from relay.contract.errors import DeliveryRefused
from relay.http.answers import PROBLEM, SERVER, problem_details, request_id
from relay.pipeline import Accepted
from relay.receive.answers import entry_id_of, header_safe, text_of


class Prepared(web.StreamResponse):
    """An answer that is written as it is, on a connection that is kept.

    Args:
        wire: Status line, headers and body.
        status: The status.
    """

    def __init__(self, wire: bytes, status: int = 200) -> None:
        super().__init__(status=status)
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
    """Say whether a request can be answered so: its body is here, and its connection stays."""
    return request.keep_alive and request.version == HttpVersion11 and request.content.is_eof()


def prepared_refusal(refusal: DeliveryRefused) -> Prepared:
    """Make the answer to a delivery that was refused."""
    body, headers = problem_details(refusal)
    more = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = (
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
        f"{_head.date()}content-type: {PROBLEM}\r\n{more}content-length: {len(body)}\r\n\r\n"
    )
    return Prepared(head.encode() + body, refusal.status)


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
        self._date = ""
        self._text = ""

    def now(self) -> str:
        """Give the beginning of a 200."""
        self._renew()
        return self._text

    def date(self) -> str:
        """Give the headers that any answer has."""
        self._renew()
        return self._date

    def _renew(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = f"server: {SERVER}\r\ndate: {formatdate(second, usegmt=True)}\r\n"
            self._text = f"HTTP/1.1 200 OK\r\n{self._date}content-type: application/json\r\n"


_head = _Head()
