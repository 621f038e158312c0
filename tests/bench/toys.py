"""Servers that answer as they are told, for senders to be tried on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

STORED = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"received":true}'
LAST = b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 17\r\n\r\n{"received":true}'
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
BUSY_WITHOUT_WORD = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
CUT = b"HTTP/1.1 408 Cut\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Give the body of the next request, nothing where the sender has gone."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def always(answer: bytes) -> Behave:
    """Answer every request the same, in two pieces."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            writer.write(answer[:20])
            await writer.drain()
            writer.write(answer[20:])
            if b"close" in answer:
                return

    return behave


@asynccontextmanager
async def toy_server(behave: Behave) -> AsyncIterator[int]:
    """Have a server within the block, which closes a connection when the behaviour ends."""
    pumps: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        pumps.add(task)
        try:
            await behave(reader, writer)
        finally:
            pumps.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for pump in list(pumps):
            pump.cancel()
        if pumps:
            await asyncio.wait(set(pumps))
