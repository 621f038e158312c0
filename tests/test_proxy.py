"""The faulty connection does to its bytes what it says, and counts it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tests.proxy import Direction, Proxy, proxy_to
from tests.waiting import wait_until


@dataclass
class Echo:
    """A server that says back what it hears.

    Args:
        port: Where it listens.
        heard: All that came.
        open: How many connections stand.
    """

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the other end closes."""
        self.open += 1
        with suppress(ConnectionError):
            while chunk := await reader.read(1000):
                self.heard += chunk
                writer.write(chunk)
                await writer.drain()
        self.open -= 1
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@dataclass
class Client:
    """One connection through the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, text: bytes) -> bytes:
        """Say something and give the first piece of the answer; nothing where the end came."""
        self.writer.write(text)
        return await self.reader.read(1000)


@asynccontextmanager
async def scene() -> AsyncIterator[tuple[Echo, Proxy]]:
    """Have a server behind a proxy within the block."""
    echo = Echo()
    listener = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = listener.sockets[0].getsockname()[1]
    async with proxy_to(echo.port) as proxy:
        yield echo, proxy
    listener.close()
    await wait_until(lambda: not echo.open, description="every connection has ended")
    await listener.wait_closed()


@asynccontextmanager
async def client_of(proxy: Proxy) -> AsyncIterator[Client]:
    """Have a connection within the block."""
    port = int(proxy.url.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Client(reader, writer)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_without_faults_everything_passes() -> None:
    """On several connections at once."""
    async with scene() as (_, proxy), client_of(proxy) as one, client_of(proxy) as other:
        assert await one.ask(b"one") == b"one"
        assert await other.ask(b"other") == b"other"
        assert proxy.connections == 2
        assert not proxy.counted


async def test_a_lost_reply_was_heard_by_the_server() -> None:
    """The client has no answer, and others go on."""
    async with scene() as (echo, proxy), client_of(proxy) as one, client_of(proxy) as other:
        proxy.lose_replies_to(b"lose", 1)

        assert await other.ask(b"keep") == b"keep"
        assert await one.ask(b"lose") == b""
        assert bytes(echo.heard) == b"keeplose"
        assert await other.ask(b"lose") == b"lose"
        assert proxy.lost == 1


@pytest.mark.parametrize(
    ("direction", "heard", "answered"),
    [("to server", b"1234", b""), ("to client", b"123456", b"1234")],
)
async def test_a_cut_lets_so_many_bytes_through(
    direction: Direction, heard: bytes, answered: bytes
) -> None:
    """The rest of the piece does not come, and the connection has ended."""
    async with scene() as (echo, proxy), client_of(proxy) as client:
        proxy.cut_after(4, direction)
        answer = await client.ask(b"123456")
        answer += await client.reader.read(1000)
        await wait_until(lambda: not proxy.connections, description="the connection has ended")

        # What the server says to a connection that is being closed may still come.
        assert answer in {answered, heard if direction == "to server" else answered}
        assert bytes(echo.heard) == heard
        assert proxy.counted == {"cut": 1}


async def test_a_reset_is_no_polite_end() -> None:
    """Both ends see a connection that broke."""
    async with scene() as (_, proxy), client_of(proxy) as client:
        await client.ask(b"hello")
        broken = proxy.reset()

        with pytest.raises(ConnectionResetError):
            await client.reader.read(1000)
        assert broken == proxy.counted["reset"] == 1


async def test_a_black_hole_answers_nothing_and_tells_the_server_nothing() -> None:
    """Neither old nor new connections pass; a client's end is not seen behind it."""
    async with scene() as (echo, proxy), client_of(proxy) as waiting:
        await waiting.ask(b"before")
        proxy.swallow()
        async with client_of(proxy) as new:
            new.writer.write(b"new")
            waiting.writer.write(b"old")
            await wait_until(lambda: proxy.counted["swallowed"] == 2, description="both swallowed")
        await wait_until(lambda: proxy.connections == 2, description="none was let go")

        assert bytes(echo.heard) == b"before"
        assert echo.open == 2
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            await waiting.reader.read(1000)
        async with client_of(proxy) as after:
            assert await after.ask(b"after") == b"after"


async def test_a_parted_connection_has_ended_for_its_client_alone() -> None:
    """The server knows nothing of it, and others pass."""
    async with scene() as (echo, proxy), client_of(proxy) as parted:
        await parted.ask(b"before")
        assert proxy.part() == 1

        with pytest.raises(ConnectionResetError):
            await parted.reader.read(1000)
        async with client_of(proxy) as after:
            assert await after.ask(b"after") == b"after"
            assert echo.open == 2
        proxy.heal()
        await wait_until(lambda: not echo.open, description="the server has heard of it")


async def test_slowness_delays_both_ways_until_it_is_healed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each piece waits its delay and a part of the jitter."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    async with scene() as (_, proxy), client_of(proxy) as client:
        proxy._chance = lambda: 0.5
        proxy.slow(20, jitter_ms=10)
        monkeypatch.setattr(asyncio, "sleep", counted)
        await client.ask(b"slow")
        monkeypatch.setattr(asyncio, "sleep", sleep)
        proxy.heal()
        await client.ask(b"fast")

        assert waits == [0.025, 0.025]
        assert proxy.counted["delayed"] == 2


async def test_a_server_that_is_away_ends_a_connection_at_once() -> None:
    """As it would without the proxy between."""
    async with scene() as (echo, _), proxy_to(1) as proxy, client_of(proxy) as client:
        assert await client.reader.read(1000) == b""
        assert not echo.heard
