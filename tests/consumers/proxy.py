"""A connection to the store that can break at the worst moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

NOTHING = (b"*-1\r\n", b"$-1\r\n", b"*0\r\n")


class Proxy:
    """Stands between a client and a server on loopback.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._losing: tuple[bytes, int] | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self.lost = 0
        self.url = ""

    def lose_replies_to(self, command: bytes, times: int) -> None:
        """Break the connection when the server has answered, so that the client never knows.

        Args:
            command: In the form in which it is sent.
            times: How many replies that say something are lost.
        """
        self._losing = (command, self.lost + times)

    def _loses(self, request: bytes, reply: bytes) -> bool:
        if self._losing is None or reply in NOTHING:
            return False
        command, until = self._losing
        return command in request and self.lost < until

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        upstream, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        request = bytearray()
        there = asyncio.create_task(_forward(reader, server, request))
        try:
            with suppress(ConnectionError):
                while reply := await upstream.read(65536):
                    if self._loses(bytes(request), reply):
                        self.lost += 1
                        break
                    request.clear()
                    writer.write(reply)
                    await writer.drain()
        finally:
            there.cancel()
            await asyncio.wait({there})
            for stream in (writer, server):
                stream.close()
                with suppress(ConnectionError):
                    await stream.wait_closed()
            self._pumps.discard(task)

    async def end(self) -> None:
        """Close every connection."""
        for pump in list(self._pumps):
            pump.cancel()
        if self._pumps:
            await asyncio.wait(set(self._pumps))


async def _forward(
    reader: asyncio.StreamReader, server: asyncio.StreamWriter, request: bytearray
) -> None:
    with suppress(ConnectionError):
        while sent := await reader.read(65536):
            request += sent
            server.write(sent)
            await server.drain()
    server.close()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """Have a proxy on a free port within the block."""
    proxy = Proxy(port)
    listener = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.end()
        await listener.wait_closed()
