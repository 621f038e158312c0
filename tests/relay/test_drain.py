"""Connections that run out: what was begun is finished, and nothing new is taken."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from relay.contract.errors import DeliveryRefused, Overloaded
from relay.http.listen import bound
from relay.metrics import Metrics
from relay.receive.body import Budget
from relay.receive.connections import Connections
from relay.receive.drain import CUT_SECONDS, run_out
from relay.receive.routes import Ingress
from tests.waiting import wait_until

PATH = b"/webhooks/shop"
GET = b"GET /page HTTP/1.1\r\nHost: relay\r\n\r\n"
HEAD = b"POST /webhooks/shop HTTP/1.1\r\nHost: relay\r\nContent-Length: 4\r\n\r\n"
# Enough to tell that an idle connection was closed before another.
SOON_SECONDS = 0.05
LONG_SECONDS = 3600.0


class Reader:
    """Stands where the receiver would: reads a body, and has no room for it."""

    def __init__(self) -> None:
        self.endpoints = {"shop": None}
        self.bodies: list[bytes] = []

    async def receive(self, request: web.BaseRequest, _: str) -> DeliveryRefused:
        """Read a body."""
        self.bodies.append(await request.read())
        return Overloaded()


@dataclass
class Served:
    """Connections over an ingress whose one page waits until it is let go."""

    ingress: Ingress
    connections: Connections
    runner: web.ServerRunner
    bodies: list[bytes]
    port: int
    go: asyncio.Event
    asked: list[int] = field(default_factory=list)

    def run_out(self, idle: float = SOON_SECONDS, within: float = 10.0) -> "asyncio.Task[None]":
        """Begin to run out."""
        self.connections.stop_accepting()
        self.ingress.drain()
        return asyncio.create_task(run_out(self.connections, idle, within))


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """Take connections within the block."""
    go, reader = asyncio.Event(), Reader()

    async def page() -> web.Response:
        one.asked.append(1)
        await go.wait()
        return web.Response(body=b"done")

    budget = Budget(1 << 20, max_body_bytes=1 << 16)
    ingress = Ingress(reader, {"/page": page})  # type: ignore[arg-type]
    connections = Connections(ingress, budget, Metrics(), limit=100, idle_seconds=60.0)
    runner = web.ServerRunner(connections, shutdown_timeout=CUT_SECONDS)
    await runner.setup()
    with bound("127.0.0.1", 0) as sockets:
        port = sockets[0].getsockname()[1]
        one = Served(ingress, connections, runner, reader.bodies, port, go)
        connections.accept_on(sockets)
        try:
            yield one
        finally:
            connections.stop_accepting()
            await runner.cleanup()


@dataclass
class Sender:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> bytes:
        """Give the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await self.reader.readexactly(length)

    async def is_closed(self) -> bool:
        """Wait for the end of the connection; tell whether nothing else came."""
        return await self.reader.read() == b""


@asynccontextmanager
async def sender(one: Served) -> AsyncIterator[Sender]:
    """Have a connection within the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
    try:
        yield Sender(reader, writer)
    finally:
        writer.close()


async def test_before_it_runs_out_connections_are_kept() -> None:
    """Nothing is said of an end, and the next request goes over the same connection."""
    async with served() as one, sender(one) as client:
        one.go.set()
        for _ in range(2):
            client.writer.write(GET)

            assert b"connection: close" not in await client.answer()


async def test_what_is_in_flight_is_answered_and_says_goodbye() -> None:
    """The connection ends after the answer, and not before."""
    async with served() as one, sender(one) as client, sender(one) as idle:
        client.writer.write(GET)
        await wait_until(lambda: bool(one.asked), description="it is in flight")
        await wait_until(lambda: one.connections.count == 2, description="both are connected")
        running_out = one.run_out()
        assert await idle.is_closed()
        assert not running_out.done()

        one.go.set()

        assert b"connection: close" in await client.answer()
        assert await client.is_closed()
        await running_out


async def test_a_body_that_arrives_slowly_is_taken() -> None:
    """Closing what is idle does not touch a connection on which a delivery is under way."""
    async with served() as one, sender(one) as slow, sender(one) as idle:
        idle.writer.write(HEAD + b"dull")
        await idle.answer()
        slow.writer.write(HEAD + b"bo")
        await wait_until(lambda: len(one.ingress.quiet) == 1, description="one is in flight")
        running_out = one.run_out()
        assert await idle.is_closed()

        slow.writer.write(b"dy")

        assert b"connection: close" in await slow.answer()
        assert one.bodies == [b"dull", b"body"]
        assert await slow.is_closed()
        await running_out


async def test_who_was_refused_while_sending_is_not_cut_off() -> None:
    """The answer came before the body's end; a reset could take it away again."""
    async with served() as one, sender(one) as refused, sender(one) as idle:
        await wait_until(lambda: one.connections.count == 2, description="both are connected")
        running_out = one.run_out()
        refused.writer.write(HEAD.replace(PATH, b"/page") + b"bo")
        assert b"connection: close" in await refused.answer()
        assert await idle.is_closed()
        assert [connection.connected for connection in one.connections.connections] == [True]

        refused.writer.write(b"dy")

        assert await refused.is_closed()
        await running_out


async def test_a_kept_connection_learns_of_the_end_by_its_next_answer() -> None:
    """A request on it is taken like any other."""
    async with served() as one, sender(one) as client:
        one.go.set()
        client.writer.write(GET)
        await client.answer()
        running_out = one.run_out(idle=LONG_SECONDS, within=LONG_SECONDS)

        client.writer.write(GET)

        assert b"connection: close" in await client.answer()
        assert await client.is_closed()
        await running_out


@pytest.mark.parametrize("said", [b"", b"POST / HT"])
async def test_who_says_nothing_is_told_by_the_end(said: bytes) -> None:
    """Also one who has begun to speak and stopped before it was a request."""
    async with served() as one, sender(one) as client:
        client.writer.write(said)
        await wait_until(lambda: one.connections.count == 1, description="it is connected")

        await one.run_out()

        assert await client.is_closed()


async def test_what_does_not_end_is_cut_when_time_is_up() -> None:
    """The end of the program does not depend on a sender."""
    async with served() as one, sender(one) as client:
        client.writer.write(HEAD + b"bo")
        await wait_until(lambda: one.connections.count == 1, description="it is connected")
        await one.run_out(within=0.2)

        await one.runner.cleanup()

        assert one.bodies == []
        await client.reader.read()
        assert client.reader.at_eof()


async def test_a_connection_that_is_just_arriving_is_waited_for() -> None:
    """It was accepted, so nobody else will take it."""
    async with served() as one:
        one.go.set()
        # The kernel makes the connection, before the loop has had a turn to accept it.
        client = socket.create_connection(("127.0.0.1", one.port))
        client.sendall(GET)
        async with asyncio.timeout(5):
            while one.connections.are_gone:  # noqa: ASYNC110 - each turn of the loop counts
                await asyncio.sleep(0)
        assert one.connections.count == 0
        running_out = one.run_out(idle=LONG_SECONDS, within=LONG_SECONDS)
        reader, writer = await asyncio.open_connection(sock=client)

        assert b"connection: close" in await Sender(reader, writer).answer()
        await running_out
        writer.close()


async def test_without_connections_it_ends_at_once() -> None:
    """There is nobody to wait for."""
    async with served() as one, asyncio.timeout(5):
        await one.run_out(idle=LONG_SECONDS, within=LONG_SECONDS)
