"""Connections on which every byte is ours: what no HTTP client would send can be sent.

Source: RFC 9112; asyncio, `Protocol`.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

from relay.conformance.address import Address
from relay.conformance.answer import (
    CLOSED,
    SILENT,
    Answer,
    Incomplete,
    take_answer,
    unreached,
)

AGENT = "webhook-relay-conformance"
CONNECT_SECONDS = 10.0
PIECE_BYTES = 256 * 1024
# No answer to a delivery is so long; one without an end shall not fill our own memory.
MOST_ANSWER_BYTES = 4 * 1024 * 1024

Header = tuple[str, str | bytes]


def head(
    address: Address,
    headers: Iterable[Header] = (),
    *,
    method: str = "POST",
    version: str = "HTTP/1.1",
) -> bytes:
    """Write the head of a request, with nothing about its body that is not in the headers."""
    lines: list[Header] = [("host", address.authority), ("user-agent", AGENT), *headers]
    written = b"".join(b"%b: %b\r\n" % (name.encode(), _raw(value)) for name, value in lines)
    return f"{method} {address.path} {version}\r\n".encode() + written + b"\r\n"


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


class Wire(asyncio.Protocol):
    """One connection: what is sent is exactly what is given, and what comes is kept.

    What came before a reset is not lost, which the streams of asyncio do not promise.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._ended = False
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self._data += data
        self._changed.set()
        if len(self._data) > MOST_ANSWER_BYTES:
            self.close()

    def eof_received(self) -> bool:
        """Take note that nothing more comes; our own side stays open where it can."""
        self._ended = True
        self._changed.set()
        return self._transport is not None and not self._transport.get_extra_info("sslcontext")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        """Take note of the end."""
        self._ended = True
        self._changed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Wait with what is to be sent."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    # What checks call.

    @property
    def has_ended(self) -> bool:
        """Whether the receiver has closed its side."""
        return self._ended

    async def send(self, *pieces: bytes) -> None:
        """Send bytes, until all are sent or the connection is gone."""
        for piece in pieces:
            for start in range(0, len(piece), PIECE_BYTES):
                await self._writable.wait()
                if self._transport is None or self._transport.is_closing():
                    return
                self._transport.write(piece[start : start + PIECE_BYTES])

    async def trickle(self, pieces: Sequence[bytes], seconds: float) -> None:
        """Send pieces one by one, evenly over a time, as a slow line would."""
        for piece in pieces:
            await self.send(piece)
            await asyncio.sleep(seconds / len(pieces))

    async def answer(self, seconds: float, *, bodiless: bool = False) -> Answer:
        """Wait for the next answer.

        Args:
            seconds: How long at most.
            bodiless: The request was a HEAD.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._next(bodiless=bodiless)
        except TimeoutError:
            return Answer(0, fate=SILENT.format(seconds))

    async def goes_on(self, seconds: float) -> None:
        """Wait until anything comes, or for so long: a sender that asked whether it may go on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._data and not self._ended:
                    await self._change()

    async def exchange(self, *pieces: bytes, seconds: float) -> Answer:
        """Send while the answer is waited for, which may come before all is sent."""
        sending = asyncio.ensure_future(self.send(*pieces))
        try:
            return await self.answer(seconds)
        finally:
            sending.cancel()
            await asyncio.wait([sending])

    def finish(self) -> None:
        """Close the sending side in order, where that can be done."""
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def cut(self) -> None:
        """End the connection as a broken line would: by a reset."""
        if self._transport is None:
            return
        line = self._transport.get_extra_info("socket")
        if line is not None:
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    async def _next(self, *, bodiless: bool) -> Answer:
        while True:
            try:
                return take_answer(self._data, ended=self._ended, bodiless=bodiless)
            except Incomplete:
                if self._ended:
                    return Answer(0, fate=CLOSED)
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Wire]:
    """Have a connection within the block.

    Raises:
        OSError: There is none to be had, in time too.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_SECONDS):
        _, wire = await loop.create_connection(Wire, address.host, address.port, ssl=address.tls)
    try:
        yield wire
    finally:
        wire.close()


async def ask(address: Address, *pieces: bytes, seconds: float) -> Answer:
    """Send one request on a connection of its own, and give its answer."""
    try:
        async with connected(address) as wire:
            return await wire.exchange(*pieces, seconds=seconds)
    except OSError as error:  # a time-out is one too
        return unreached(error)
