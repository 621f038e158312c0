"""The delay proxy holds replies back and changes nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.holds.delay import DelayProxy
from tests.bench.toys import toy_server
from tests.waiting import wait_until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

DAY_SECONDS = 86_400.0


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while asked := await reader.read(65_536):
        writer.write(asked)
        await writer.drain()


@asynccontextmanager
async def _proxied() -> AsyncIterator[tuple[DelayProxy, int]]:
    async with toy_server(_echo) as port, asyncio.timeout(30):
        proxy = DelayProxy(port)
        server, own_port = await proxy.listen()
        try:
            yield proxy, own_port
        finally:
            server.close()
            await proxy.end()


async def _connect(port: int) -> Streams:
    return await asyncio.open_connection("127.0.0.1", port)


async def _ask(streams: Streams, what: bytes) -> bytes:
    reader, writer = streams
    writer.write(what)
    return await reader.readexactly(len(what))


async def test_bytes_come_back_as_they_were() -> None:
    """Many of them, with and without a delay."""
    async with _proxied() as (proxy, port):
        streams = await _connect(port)
        sent = bytes(range(256)) * 4000

        assert await _ask(streams, sent) == sent
        proxy.delay_seconds = 0.01
        assert await _ask(streams, sent) == sent
        streams[1].close()


async def test_a_reply_is_held_back_while_others_pass() -> None:
    """One that came before the delay was taken away still waits; another connection does not."""
    async with _proxied() as (proxy, port):
        slow, fast = await _connect(port), await _connect(port)
        assert await _ask(slow, b"first") == b"first"
        proxy.delay_seconds = DAY_SECONDS
        slow[1].write(b"second")
        waiting = asyncio.create_task(slow[0].readexactly(6))
        await wait_until(lambda: proxy.held_back == 1, description="the reply is held back")
        proxy.delay_seconds = 0.0

        assert await _ask(fast, b"third") == b"third"
        assert not waiting.done()
        waiting.cancel()
        slow[1].close()
        fast[1].close()


async def test_replies_keep_their_order_when_the_delay_ends() -> None:
    """What was held back comes first."""
    async with _proxied() as (proxy, port):
        reader, writer = await _connect(port)
        proxy.delay_seconds = 0.1
        writer.write(b"first")
        await wait_until(lambda: proxy.held_back == 1, description="the reply is held back")
        proxy.delay_seconds = 0.0
        writer.write(b"second")

        assert await reader.readexactly(11) == b"firstsecond"
        writer.close()


async def test_a_connection_that_the_store_ends_is_ended_for_the_client() -> None:
    """After what it had said."""

    async def say_and_go(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")

    async with toy_server(say_and_go) as port, asyncio.timeout(30):
        proxy = DelayProxy(port)
        server, own_port = await proxy.listen()
        reader, writer = await _connect(own_port)

        assert await reader.read() == b"bye"
        writer.close()
        server.close()
        await proxy.end()
