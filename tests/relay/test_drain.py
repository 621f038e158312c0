"""A listener that runs out: what was begun is finished, and nothing new is taken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from relay import drain
from relay.drain import CUT_SECONDS, Drain
from tests.waiting import wait_until

GET = b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: relay\r\nContent-Length: 4\r\n\r\n"


@dataclass
class Served:
    """A listener whose answers wait until they are let go.

    Args:
        drain: What makes it run out.
        runner: What serves it.
        port: Where it listens.
        go: Lets the answers go.
        bodies: What was received whole.
    """

    drain: Drain
    runner: web.AppRunner
    port: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    bodies: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Answer when it is let go."""
        self.bodies.append(await request.read())
        await self.go.wait()
        return web.Response(text="done")

    def run_out(self, within_seconds: float = 10.0) -> "asyncio.Task[None]":
        """Begin to run out."""
        return asyncio.create_task(self.drain.run_out(self.runner, within_seconds))

    async def accepts(self) -> bool:
        """Tell whether a connection can be made."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@dataclass
class Sender:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> bytes:
        """Give the next answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return head.lower() + await self.reader.readexactly(4)

    async def is_closed(self) -> bool:
        """Wait for the end of the connection; tell whether nothing else came."""
        return await self.reader.read() == b""


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """Have a listener within the block."""
    app = web.Application()
    one = Served(Drain(app), web.AppRunner(app, access_log=None, shutdown_timeout=CUT_SECONDS))
    app.router.add_route("*", "/", one.take)
    await one.runner.setup()
    try:
        await web.TCPSite(one.runner, "127.0.0.1", 0).start()
        one.port = one.runner.addresses[0][1]
        yield one
    finally:
        await one.runner.cleanup()


@asynccontextmanager
async def sender(one: Served) -> AsyncIterator[Sender]:
    """Have a connection within the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
    try:
        yield Sender(reader, writer)
    finally:
        writer.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close idle connections nearly at once."""
    monkeypatch.setattr(drain, "DRAIN_IDLE_SECONDS", 0.05)


async def test_before_it_runs_out_connections_are_kept() -> None:
    """Nothing is said of an end, and the next request goes over the same connection."""
    async with served() as one, sender(one) as client:
        one.go.set()
        for _ in range(2):
            client.writer.write(GET)

            assert b"connection: close" not in await client.answer()


async def test_what_is_in_flight_is_answered_and_says_goodbye(impatient: None) -> None:
    """Nobody is accepted meanwhile, and the connection ends after the answer."""
    async with served() as one, sender(one) as client:
        client.writer.write(GET)
        await wait_until(lambda: bool(one.bodies), description="it is in flight")
        running_out = one.run_out()
        await wait_until(lambda: _not(one.accepts()), description="nobody is accepted")
        assert not running_out.done()

        one.go.set()

        assert b"connection: close" in await client.answer()
        assert await client.is_closed()
        await running_out


async def test_a_body_that_arrives_slowly_is_taken(impatient: None) -> None:
    """Closing what is idle does not touch a connection on which a delivery is under way."""
    async with served() as one, sender(one) as slow, sender(one) as idle:
        slow.writer.write(HEAD + b"bo")
        idle.writer.write(HEAD + b"dull")
        await wait_until(lambda: one.bodies == [b"dull"], description="the other is in flight")
        one.go.set()
        await idle.answer()
        running_out = one.run_out()
        assert await idle.is_closed()

        slow.writer.write(b"dy")

        assert b"connection: close" in await slow.answer()
        assert one.bodies == [b"dull", b"body"]
        await running_out


async def test_who_was_refused_while_sending_is_not_cut_off(impatient: None) -> None:
    """The answer came before the body's end; a reset could take it away again."""
    async with served() as one, sender(one) as refused, sender(one) as idle:
        idle.writer.write(GET)
        await wait_until(lambda: bool(one.bodies), description="the other is in flight")
        one.go.set()
        await idle.answer()
        refused.writer.write(HEAD.replace(b"/", b"/refused", 1) + b"bo")
        running_out = one.run_out()
        assert await idle.is_closed()
        assert one.runner.server is not None
        assert [open_.connected for open_ in one.runner.server.connections] == [True]

        refused.writer.write(b"dy")

        assert b" 404 " in await refused.reader.readline()
        await refused.reader.read()
        await running_out


async def test_a_kept_connection_learns_of_the_end_by_its_next_answer() -> None:
    """A request on it is taken like any other."""
    async with served() as one, sender(one) as client:
        one.go.set()
        client.writer.write(GET)
        await client.answer()
        running_out = one.run_out()

        client.writer.write(GET)

        assert b"connection: close" in await client.answer()
        assert await client.is_closed()
        await running_out


@pytest.mark.parametrize("said", [b"", b"POST / HT"])
async def test_who_says_nothing_is_told_by_the_end(impatient: None, said: bytes) -> None:
    """Also one who has begun to speak and stopped before it was a request."""
    async with served() as one, sender(one) as client:
        client.writer.write(said)
        await wait_until(
            lambda: one.runner.server is not None and bool(one.runner.server.connections),
            description="it is connected",
        )
        await one.run_out()

        assert await client.is_closed()


async def test_what_does_not_end_is_left_when_time_is_up(impatient: None) -> None:
    """The end of the program does not depend on a sender."""
    async with served() as one, sender(one) as client:
        client.writer.write(HEAD + b"bo")
        running_out = one.run_out(within_seconds=0.2)

        await running_out
        await one.runner.cleanup()

        assert one.bodies == []
        assert await client.is_closed()


async def test_without_connections_it_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to wait for."""
    monkeypatch.setattr(drain, "DRAIN_IDLE_SECONDS", 3600.0)
    async with served() as one:
        async with asyncio.timeout(5):
            await one.run_out(within_seconds=3600.0)

        assert not await one.accepts()


async def _not(answer: "asyncio.Future[bool] | object") -> bool:
    return not await answer  # type: ignore[misc]
