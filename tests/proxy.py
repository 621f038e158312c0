"""A connection to the store that can be slow, break at the worst moment, or say nothing at all.

Faults are switched on and off while connections stand, and are counted, so that a test can tell
whether the fault that it is about has happened.
"""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["to server", "to client"]
Fault = Literal["lost", "cut", "reset", "swallowed", "delayed", "unanswered"]

NOTHING = (b"*-1\r\n", b"$-1\r\n", b"*0\r\n")
CHUNK = 65536
# Closing then sends RST and throws away what is on its way.
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Link:
    """One connection: both ends, and what is under way on it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    request: bytearray = field(default_factory=bytearray)
    # Bytes of it were swallowed, so what follows would make no sense to the other end.
    broken: bool = False
    # Only the client knows that it has ended.
    parted: bool = False

    def abort(self) -> None:
        """Break it on both sides at once."""
        for end in (self.client, self.server):
            _reset(end)


class Proxy:
    """Stands between clients and a server on loopback.

    Args:
        port: The server's.
        chance: Gives a random number from 0 up to 1, for jitter.
    """

    def __init__(self, port: int, chance: Callable[[], float] = random.random) -> None:
        self._server_port = port
        self._chance = chance
        self._losing: tuple[bytes, int] | None = None
        self._cuts: list[tuple[Direction, int]] = []
        self._watched: bytes | None = None
        self._told: Callable[[], None] | None = None
        self._passed_bytes = 0
        self._delay_seconds = self._jitter_seconds = 0.0
        # Set while bytes pass.
        self._passes = asyncio.Event()
        self._passes.set()
        self._links: set[_Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.counted: Counter[Fault] = Counter()
        self.url = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2].partition("/")[0])

    def lead_to(self, port: int) -> None:
        """Have what connects from now on reach another server; what stands stays."""
        self._server_port = port

    @property
    def lost(self) -> int:
        """How many replies were lost."""
        return self.counted["lost"]

    @property
    def connections(self) -> int:
        """How many stand now."""
        return len(self._links)

    def lose_replies_to(self, command: bytes, times: int) -> None:
        """Break the connection when the server has answered, so that the client never knows.

        Args:
            command: In the form in which it is sent.
            times: How many replies that say something are lost.
        """
        self._losing = (command, self.lost + times)

    def watch(self, request: bytes, told: Callable[[], None] | None = None) -> None:
        """Count connections that end with a certain request under way and no reply to it.

        Args:
            request: Something that only such a request holds.
            told: Called once, in the moment in which the next one passes to the server.
        """
        self._watched, self._told = request, told

    def slow(self, delay_ms: float, jitter_ms: float = 0.0) -> None:
        """Let everything take longer, each way.

        Args:
            delay_ms: At least this much.
            jitter_ms: And up to this much more, by chance.
        """
        self._delay_seconds, self._jitter_seconds = delay_ms / 1000, jitter_ms / 1000

    def cut_after(self, size_bytes: int, direction: Direction, times: int = 1) -> None:
        """Close the connection on which the last of so many bytes passes, behind that byte.

        Args:
            size_bytes: Of all connections together, from now on.
            direction: Which way they go.
            times: How often; counting begins anew each time.
        """
        self._passed_bytes, self._cuts = 0, [(direction, size_bytes)] * times

    def reset(self) -> int:
        """Break every connection with RST; say how many there were."""
        for link in list(self._links):
            link.abort()
        self.counted["reset"] += len(self._links)
        return len(self._links)

    def part(self) -> int:
        """Break every connection with RST for its client alone; say how many there were.

        The server goes on serving them, as behind a router that has forgotten them, until `heal`.
        """
        whole = [link for link in self._links if not link.parted]
        for link in whole:
            link.parted = link.broken = True
            _reset(link.client)
        self.counted["reset"] += len(whole)
        return len(whole)

    def swallow(self) -> None:
        """Be a black hole: accept connections and bytes, and let nothing through.

        The end of a connection does not pass either: the server goes on serving a client that has
        given up, as behind a broken link.
        """
        self._passes.clear()

    def heal(self) -> None:
        """End every fault; connections that lost bytes are reset."""
        self._losing, self._cuts = None, []
        self.slow(0)
        for link in self._links:
            if link.broken:
                link.abort()
        self._passes.set()

    async def end(self) -> None:
        """Break every connection, and return when all have ended."""
        self.heal()
        for link in list(self._links):
            link.abort()
        if self._serving:
            await asyncio.wait(set(self._serving))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._carry(reader, writer)
        except OSError:
            pass  # the server is away: the client sees a connection that ends at once
        finally:
            await _close(writer)
            self._serving.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        link = _Link(writer, server)
        self._links.add(link)
        pumps = {
            asyncio.create_task(self._pump(reader, server, link, "to server")),
            asyncio.create_task(self._pump(upstream, writer, link, "to client")),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            self._links.discard(link)
            if self._watched is not None and self._watched in link.request:
                self.counted["unanswered"] += 1
            await _close(server)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        link: _Link,
        direction: Direction,
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(CHUNK):
                await self._be_slow()
                if link.broken or not self._passes.is_set():
                    link.broken = True
                    self.counted["swallowed"] += 1
                elif not await self._pass_on(chunk, sink, link, direction):
                    return
        await self._passes.wait()
        if link.parted and direction == "to server":
            await asyncio.Event().wait()  # until the other direction ends

    async def _be_slow(self) -> None:
        if self._delay_seconds or self._jitter_seconds:
            self.counted["delayed"] += 1
            await asyncio.sleep(self._delay_seconds + self._jitter_seconds * self._chance())

    async def _pass_on(
        self, chunk: bytes, sink: asyncio.StreamWriter, link: _Link, direction: Direction
    ) -> bool:
        """Pass a piece on; false where the connection ends with it."""
        if direction == "to server":
            link.request += chunk
            self._tell_of(chunk)
        elif self._loses(bytes(link.request), chunk):
            self.counted["lost"] += 1
            return False
        else:
            link.request.clear()
        part = self._before_cut(chunk, direction)
        sink.write(chunk if part is None else part)
        await sink.drain()
        return part is None

    def _tell_of(self, chunk: bytes) -> None:
        if self._told is not None and self._watched is not None and self._watched in chunk:
            told, self._told = self._told, None
            told()

    def _loses(self, request: bytes, reply: bytes) -> bool:
        if self._losing is None or reply in NOTHING:
            return False
        command, until = self._losing
        return command in request and self.lost < until

    def _before_cut(self, chunk: bytes, direction: Direction) -> bytes | None:
        """Give what still passes of a piece that is cut; none where it is not."""
        if not self._cuts or self._cuts[0][0] != direction:
            return None
        left = self._cuts[0][1] - self._passed_bytes
        if left > len(chunk):
            self._passed_bytes += len(chunk)
            return None
        self._passed_bytes = 0
        self._cuts.pop(0)
        self.counted["cut"] += 1
        return chunk[:left]


def _reset(end: asyncio.StreamWriter) -> None:
    opened = end.get_extra_info("socket")
    with suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    end.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """Have a proxy on a free port within the block."""
    proxy = Proxy(port)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.end()
        await listener.wait_closed()
