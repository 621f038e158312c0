"""Batch handlers on a real server: every event comes to its own end."""

import asyncio

import pytest
from redis.asyncio import Redis

from consumers import Event, Retry, Worker
from tests.canaries import IN_MESSAGE
from tests.consumers.making import (
    GROUP,
    append_events,
    dead_letters,
    due_times,
    histories,
    numbered,
    pending,
)
from tests.consumers.working import running
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

SOON = Retry(attempts=3, base_seconds=0.01)


async def until_settled(store: Redis) -> None:
    """Wait until the group has nothing pending, and nothing that waits."""

    async def done() -> bool:
        return not await pending(store) and not await due_times(store)

    await wait_until(done, deadline_seconds=20, description="everything is settled")


async def test_one_bad_event_does_not_fail_its_neighbours(server: Server, store: Redis) -> None:
    """A batch that raised is tried again one by one: ninety-nine are handled, and one is dead."""
    worker = Worker(group=GROUP)
    runs: list[list[str]] = []
    inserted: list[str] = []

    @worker.on_batch("unipile:message.new", size=100, wait_seconds=10, retry=SOON)
    async def insert(events: list[Event]) -> None:
        runs.append([event.id for event in events])
        if "evt_50" in runs[-1]:
            raise ValueError(IN_MESSAGE)
        inserted.extend(runs[-1])

    await append_events(store, numbered(100))
    async with running(worker, server.url):
        await until_arrived(inserted, 99)
        await wait_until(lambda: runs.count(["evt_50"]) == 2, description="it was tried again")
        await until_settled(store)
    (letter,) = await dead_letters(store)

    assert sorted(runs[0]) == sorted(numbered(100))
    assert all(len(run) == 1 for run in runs[1:])
    assert sorted(inserted) == sorted(set(numbered(100)) - {"evt_50"})
    assert (letter[b"id"], letter[b"reason"]) == (b"evt_50", b"attempts_spent")
    assert letter[b"attempts"] == b"3"
    assert await histories(store) == {}


async def until_arrived(inserted: list[str], count: int) -> None:
    """Wait until so many events are handled."""
    await wait_until(
        lambda: len(inserted) >= count, deadline_seconds=20, description=f"{count} handled"
    )


async def test_each_event_of_a_batch_has_its_own_end(server: Server, store: Redis) -> None:
    """Done, failed once and done, and set aside, out of one run."""
    worker = Worker(group=GROUP)
    seen: list[tuple[str, int]] = []

    @worker.on_batch("unipile:*", size=3, wait_seconds=10, retry=Retry(base_seconds=0.01, on=()))
    def insert(events: list[Event]) -> list[Exception | None]:
        seen.extend((event.id, event.attempt) for event in events)
        ends = {"evt_1": TimeoutError("busy"), "evt_2": ValueError("never")}
        return [ends.get(event.id) if event.attempt == 1 else None for event in events]

    await append_events(store, numbered(3))
    async with running(worker, server.url):
        await wait_until(lambda: ("evt_1", 2) in seen, description="it was tried again")
        await until_settled(store)
    (letter,) = await dead_letters(store)

    assert sorted(seen) == [("evt_0", 1), ("evt_1", 1), ("evt_1", 2), ("evt_2", 1)]
    assert (letter[b"id"], letter[b"reason"]) == (b"evt_2", b"not_retryable")
    assert await histories(store) == {}


async def test_several_batches_run_at_once_and_fill(server: Server, store: Redis) -> None:
    """As many as the handler's concurrency, each as large as it may be: there is room for all."""
    worker = Worker(group=GROUP)
    gate = asyncio.Event()
    sizes: list[int] = []

    @worker.on_batch("unipile:*", size=200, wait_seconds=10, concurrency=2, read_ahead=0)
    async def insert(events: list[Event]) -> None:
        sizes.append(len(events))
        await gate.wait()

    await append_events(store, numbered(400))
    async with running(worker, server.url):
        await wait_until(lambda: len(sizes) == 2, description="both run")
        gate.set()
        await until_settled(store)

    assert sizes == [200, 200]
