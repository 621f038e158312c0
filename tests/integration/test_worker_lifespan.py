"""A worker process and a real server: what is open while events are handled."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from consumers import CallNext, Event
from consumers.app import WorkerProcess
from consumers.starting.lifespan import StartFailed
from tests.canaries import IN_MESSAGE
from tests.consumers.making import append_events, dead_letters, make_stream
from tests.consumers.working import running, settings_for
from tests.integration.workers import Handled, settled
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


async def test_nothing_is_read_before_everything_is_open(
    server: Server, store: Redis, handled: Handled
) -> None:
    """The handler is given what was opened, through the middleware."""
    opening, gate = asyncio.Event(), asyncio.Event()
    seen: list[tuple[str, str]] = []

    @handled.worker.resource
    async def pool() -> str:
        opening.set()
        await gate.wait()
        return "POOL"

    @handled.worker.middleware
    async def note(event: Event, call_next: CallNext, pool: str) -> None:
        seen.append(("middleware", pool))
        await call_next(event)

    @handled.worker.on("unipile:*")
    async def handle(event: Event, pool: str) -> None:
        seen.append(("handler", pool))
        handled.events.append(event)

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await opening.wait()
        groups_before = await store.xinfo_groups(make_stream().key)
        gate.set()
        await handled.until("evt_1")
        await settled(store)

    assert groups_before == []
    assert seen == [("middleware", "POOL"), ("handler", "POOL")]


async def test_what_handlers_share_is_closed_after_they_have_finished(
    server: Server, store: Redis, handled: Handled
) -> None:
    """And after their outcomes are stored."""
    gate = asyncio.Event()
    done: list[str] = []
    left: list[int] = []

    @handled.worker.resource
    async def pool() -> AsyncIterator[str]:
        yield "POOL"
        (group,) = await store.xinfo_groups(make_stream().key)
        left.append(int(group["pending"]))
        done.append("closed")

    @handled.worker.on("unipile:*")
    async def handle(event: Event, pool: str) -> None:
        handled.events.append(event)
        await gate.wait()
        done.append("handled")

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url) as process:
        await handled.until("evt_1")
        stopping = asyncio.create_task(process._stop())
        await wait_until(lambda: process._reader._stopping, description="it stops")
        gate.set()
        await stopping

    assert done == ["handled", "closed"]
    assert left == [0]


async def test_a_worker_whose_start_fails_reads_nothing(
    server: Server, store: Redis, handled: Handled
) -> None:
    """It ends with the reason, and leaves neither a name nor a connection behind."""

    @handled.worker.resource
    def pool() -> None:
        raise ConnectionRefusedError(f"no database {IN_MESSAGE}")

    @handled.worker.on("unipile:*")
    async def handle(event: Event, pool: str) -> None:
        handled.events.append(event)

    await append_events(store, ["evt_1"])
    process = WorkerProcess(handled.worker, settings_for(server.url))
    with pytest.raises(StartFailed, match="'pool' failed at start: ConnectionRefusedError: no da"):
        await asyncio.wait_for(process.run(asyncio.Event()), 10)

    assert await store.xinfo_groups(make_stream().key) == []
    assert await store.keys("relay:@alive:*") == []
    assert handled.events == []


async def test_a_body_that_does_not_fit_goes_to_the_dead_letters_at_once(
    server: Server, store: Redis, handled: Handled
) -> None:
    """With its own reason, and without a run."""

    class Message(msgspec.Struct):
        text: str

    @handled.worker.on("unipile:*", payload_at="/payload")
    async def handle(event: Event, message: Message) -> None:
        handled.events.append(event)

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):

        async def set_aside() -> bool:
            return bool(await dead_letters(store))

        await wait_until(set_aside, description="it is set aside")
        await settled(store)
    (letter,) = await dead_letters(store)

    assert (letter[b"reason"], letter[b"attempts"]) == (b"invalid_payload", b"1")
    assert letter[b"lasterror"].startswith(b"InvalidPayload: ")
    assert handled.events == []
