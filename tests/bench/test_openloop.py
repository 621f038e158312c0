"""The open-loop sender: everything is sent at its time, and everything is accounted for."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from bench.deliveries import Shape, write
from bench.openloop import Account, Sender
from tests.waiting import wait_until

Answer = Callable[[int], Awaitable[web.Response]]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Have a server that answers by the number of the request; give its port and the bodies."""
    bodies: list[bytes] = []

    async def receive(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return await answer(len(bodies))

    app = web.Application()
    app.router.add_post("/webhooks/unipile", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1]), bodies
    finally:
        await runner.cleanup()


def always(*statuses: int) -> Answer:
    """Answer with these statuses in turn."""

    async def answer(number: int) -> web.Response:
        return web.json_response({}, status=statuses[(number - 1) % len(statuses)])

    return answer


async def sent(tmp_path: Path, answer: Answer, connections: int = 8) -> tuple[Account, int, int]:
    """Send 300 deliveries; give the account, and how many came and how many of them differ."""
    made = write(tmp_path / "file", Shape(), 300)
    async with server(answer) as (port, bodies):
        account = await Sender(made, 0, 300, 3000.0).run(port, connections)
    return account, len(bodies), len(set(bodies))


async def test_every_delivery_is_sent_once(tmp_path: Path) -> None:
    """At the rate asked for, and with no error."""
    account, came, distinct = await sent(tmp_path, always(200))

    assert (came, distinct) == (300, 300)
    assert (account.sent, account.answered, account.errors) == (300, 300, 0)
    assert account.wanted_per_second == 3000.0
    assert 0 < account.p50_ms <= account.p99_ms <= account.p999_ms <= account.max_ms


async def test_what_is_not_200_is_an_error(tmp_path: Path) -> None:
    """Every third is refused."""
    account, came, _ = await sent(tmp_path, always(200, 200, 503))

    assert (came, account.answered, account.errors) == (300, 200, 100)


async def test_connections_that_the_server_ends_are_errors_and_do_not_hang(tmp_path: Path) -> None:
    """What can no longer be sent was not answered."""

    async def close(_: int) -> web.Response:
        response = web.json_response({})
        response.force_close()
        return response

    async with asyncio.timeout(60):
        account, came, _ = await sent(tmp_path, close)

    assert came == account.answered
    assert account.errors == 300 - came > 0


async def test_what_waits_for_a_free_connection_is_counted_from_its_time(tmp_path: Path) -> None:
    """One connection, held until all deliveries are due: the wait is in their latencies."""
    made = write(tmp_path / "file", Shape(), 100)
    sender = Sender(made, 0, 100, 5000.0)

    async def hold_the_first(number: int) -> web.Response:
        if number == 1:
            due_ns = time.monotonic_ns() + 20_000_000
            await wait_until(lambda: time.monotonic_ns() > due_ns, description="all are due")
        return web.json_response({})

    async with server(hold_the_first) as (port, _):
        account = await sender.run(port, 1)

    assert (account.answered, account.held_up) == (100, 99)
    assert account.p50_ms >= 10  # the fiftieth was due 10 ms before the first was answered
