"""A worker process and a real server: what is paused begins no run, and nothing of it is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import Event, Rate, Retry, RetryLater, Worker
from consumers.app import WorkerProcess
from consumers.operations.groups.pause import pause, resume
from consumers.operations.groups.remove import plan_removal
from relay.contract.patterns import parse_pattern
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    consumers_of,
    due_times,
    histories,
    make_stream,
    numbered,
    pending,
    read_as,
)
from tests.consumers.waiting_long import given_again, make_due
from tests.consumers.working import running
from tests.integration.test_ordered import Ordered, by_key, keyed
from tests.integration.workers import Handled, settled
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

OTHER = "email.new"
STREAM = make_stream()
QUICK = Retry(attempts=5, base_seconds=0.01, cap_seconds=0.01)


async def obeyed(store: Redis, process: WorkerProcess, *, paused: bool = True) -> None:
    """Wait until a worker has read what is paused, and has handed back what it held of it."""
    resting = process._routes.resting

    async def is_so() -> bool:
        held = set((await pending(store)).values()) - {"@park", "@lane"}
        return bool(resting) == paused and not (paused and held)

    await wait_until(is_so, description=f"paused: {paused}")


@asynccontextmanager
async def paused(
    store: Redis, handled: Handled, server: Server, pattern: str = "*:*"
) -> AsyncIterator[WorkerProcess]:
    """Have a worker within the block that is at work, and then paused."""
    async with running(handled.worker, server.url) as process:
        await append_events(store, ["evt_before"])
        await handled.until("evt_before")
        await settled(store)
        await pause(store, KEYS, GROUP, parse_pattern(pattern))
        await obeyed(store, process)
        yield process


async def other_comes(store: Redis, process: WorkerProcess, handled: Handled) -> None:
    """Append an event of another type and wait until it is handled, and all before it looked at."""
    await append_events(store, ["evt_other"], OTHER)
    await process._discovery.look()
    await handled.until("evt_other")
    await settled(store, OTHER)


def take_note(handled: Handled, **options: Any) -> None:
    """Declare a handler for everything that only takes note."""

    @handled.worker.on(f"{TAG}:*", **options)
    async def handle(event: Event) -> None:
        handled.events.append(event)


async def test_a_paused_stream_is_not_read_and_goes_on_when_it_is_resumed(
    server: Server, store: Redis, handled: Handled
) -> None:
    """The other streams of the same handler go on all the while."""
    take_note(handled)
    async with paused(store, handled, server, f"{TAG}:{TYPE}") as process:
        await append_events(store, numbered(20))
        await other_comes(store, process, handled)
        meanwhile, held = handled.ids[1:], await pending(store)
        with capture_logs() as logs:
            await resume(store, KEYS, GROUP)
            await handled.until(*numbered(20))
        await settled(store)

    assert meanwhile == ["evt_other"]
    # A read that blocked when the pause came may have been given some, and has handed them back.
    assert set(held.values()) <= {"@park"}
    assert sorted(handled.ids) == sorted(["evt_before", "evt_other", *numbered(20)])
    assert [line for line in logs if line["event"] == "group_resumed"] == [
        {
            "event": "group_resumed",
            "group": GROUP,
            "pattern": f"{TAG}:{TYPE}",
            "log_level": "info",
        }
    ]


async def test_a_worker_that_starts_finds_what_is_paused(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Not one event is handled before it has looked."""
    take_note(handled)
    await append_events(store, numbered(5))
    await append_events(store, ["evt_other"], OTHER)
    await pause(store, KEYS, GROUP, parse_pattern(f"{TAG}:message.*"))
    async with running(handled.worker, server.url):
        await handled.until("evt_other")
        await settled(store, OTHER)
        seen = list(handled.ids)
        await resume(store, KEYS, GROUP)
        await handled.until(*numbered(5))

    assert seen == ["evt_other"]


async def test_a_worker_that_started_while_paused_stands_in_the_way_of_a_removal(
    server: Server, store: Redis, handled: Handled
) -> None:
    """It would make the group again and handle everything; nor is the group an abandoned one."""
    take_note(handled)
    await append_events(store, ["evt_1"])
    await pause(store, KEYS, GROUP)
    async with running(handled.worker, server.url) as process:
        await wait_until(lambda: bool(process._routes.resting), description="it has joined")
        removal = await plan_removal(store, KEYS, GROUP)

    assert removal.living == [process.consumer]
    assert [state.abandoned for state in removal.states] == [False]


async def test_another_groups_pause_is_none_of_ours(
    server: Server, store: Redis, handled: Handled
) -> None:
    """A pause is of one group."""
    take_note(handled)
    await pause(store, KEYS, "billing")
    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1")

    assert handled.ids == ["evt_1"]


@pytest.mark.parametrize("kind", ["plain", "batch", "paced"])
async def test_what_waits_in_hand_is_handed_back_and_a_run_under_way_is_settled(
    server: Server, store: Redis, handled: Handled, kind: str
) -> None:
    """It fills no room, is no attempt, and comes back whole when it is resumed."""
    go_on = asyncio.Event()

    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.id == "evt_busy":
            await go_on.wait()

    async def handle_all(events: list[Event]) -> None:
        for event in events:
            await handle(event)

    if kind == "batch":
        handled.worker.on_batch(f"{TAG}:*", size=2, wait_seconds=0, concurrency=1)(handle_all)
    else:
        rate = Rate(10, per_seconds=0.1) if kind == "paced" else None
        handled.worker.on(f"{TAG}:*", concurrency=1, rate_limit=rate)(handle)
    await append_events(store, ["evt_busy"])
    async with running(handled.worker, server.url) as process:
        await handled.until("evt_busy")
        await append_events(store, numbered(10))
        await wait_until(lambda: _pending_of(store, 11), description="all are in hand")
        await pause(store, KEYS, GROUP, parse_pattern(f"{TAG}:{TYPE}"))
        await wait_until(lambda: _parked(store, 10), description="they are handed back")
        go_on.set()
        await other_comes(store, process, handled)
        await obeyed(store, process)
        meanwhile, attempts = list(handled.ids), await histories(store)
        await resume(store, KEYS, GROUP)
        await handled.until(*numbered(10))
        await settled(store)

    assert meanwhile == ["evt_busy", "evt_other"]
    assert attempts == {}
    assert {event.attempt for event in handled.events} == {1}
    assert len(handled.ids) == 12


async def _pending_of(store: Redis, count: int) -> bool:
    return len(await pending(store)) == count


async def _parked(store: Redis, count: int) -> bool:
    return list((await pending(store)).values()).count("@park") == count


async def test_what_is_parked_or_waits_long_comes_back_only_when_it_is_resumed(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retries pause like new events, and their time may pass meanwhile."""
    monkeypatch.setattr("consumers.waiting.again.POLL_SECONDS", 0.02)

    @handled.worker.on(f"{TAG}:*", retry=Retry(base_seconds=1, cap_seconds=1, jitter=0))
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.attempt == 1 and event.id == "evt_parked":
            raise ValueError
        if event.attempt == 1 and event.id == "evt_later":
            raise RetryLater(after=3600)

    async with running(handled.worker, server.url) as process:
        await append_events(store, ["evt_parked", "evt_later"])
        await handled.until("evt_parked", "evt_later")
        await wait_until(lambda: _parked(store, 1), description="it is parked")
        await pause(store, KEYS, GROUP)
        await obeyed(store, process)
        for name in await due_times(store):
            await store.zadd(KEYS.park(TAG, GROUP), {name: 1.0})
        await make_due(store)
        await wait_until(lambda: _again(store), description="it is given again")
        await process._parking.look()
        await process._discovery.look()
        runs = len(handled.events)
        await resume(store, KEYS, GROUP)
        await wait_until(lambda: len(handled.events) == 4, description="both run again")

    assert runs == 2
    assert sorted(event.id for event in handled.events if event.attempt == 2) == [
        "evt_later",
        "evt_parked",
    ]


async def _again(store: Redis) -> bool:
    return bool(await given_again(store))


async def test_what_was_read_unheard_before_a_pause_is_found_when_it_is_resumed(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Its reply was lost, so it is pending under the worker and not in its hands."""
    take_note(handled)
    async with paused(store, handled, server, f"{TAG}:{TYPE}") as process:
        await append_events(store, numbered(3))
        await read_as(store, process.consumer)
        await resume(store, KEYS, GROUP)
        await handled.until(*numbered(3))
        await settled(store)

    assert sorted(handled.ids) == ["evt_0", "evt_1", "evt_2", "evt_before"]


async def test_the_dead_workers_entries_are_left_until_it_is_resumed(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill in the middle of a pause; then they are taken over."""
    monkeypatch.setattr("consumers.heartbeat.DEAD_SECONDS", 0.3)
    monkeypatch.setattr("consumers.heartbeat.BEAT_SECONDS", 0.05)
    monkeypatch.setattr("consumers.sweep.SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("consumers.sweep.MIN_IDLE_MS", 0)
    take_note(handled)
    await append_events(store, numbered(5))
    await read_as(store, "killed")
    await append_events(store, ["other_0"], OTHER)
    await read_as(store, "killed", make_stream(OTHER))
    await pause(store, KEYS, GROUP, parse_pattern(f"{TAG}:{TYPE}"))
    async with running(handled.worker, server.url):
        await handled.until("other_0")
        left = await pending(store)
        await resume(store, KEYS, GROUP)
        await handled.until(*numbered(5))
        await settled(store)

    assert set(left.values()) == {"killed"}
    assert len(left) == 5


async def test_a_stop_while_paused_leaves_nothing_behind(
    server: Server, store: Redis, handled: Handled
) -> None:
    """The next worker finds it paused, and then everything, once."""
    go_on = asyncio.Event()

    @handled.worker.on(f"{TAG}:*", concurrency=1)
    async def handle(event: Event) -> None:
        handled.events.append(event)
        await go_on.wait()

    async with running(handled.worker, server.url):
        await append_events(store, numbered(10))
        await handled.until_runs(1)
        await wait_until(lambda: _pending_of(store, 10), description="all are in hand")
        await pause(store, KEYS, GROUP)
        await wait_until(lambda: _parked(store, 9), description="they are handed back")
        go_on.set()
    consumers, held = await consumers_of(store), await pending(store)
    async with running(handled.worker, server.url):
        await resume(store, KEYS, GROUP)
        await handled.until(*numbered(10))
        await settled(store)

    assert consumers == {"@park", "@left"}
    assert set(held.values()) == {"@park"}
    assert sorted(handled.ids) == sorted(numbered(10))


async def test_what_could_not_be_handed_back_is_so_at_the_end(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is told to stop in the middle of it keeps nothing to itself."""
    go_on = asyncio.Event()

    @handled.worker.on(f"{TAG}:*", concurrency=1)
    async def handle(event: Event) -> None:
        handled.events.append(event)
        await go_on.wait()

    async def not_yet(*_: Any) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr("consumers.pausing.Pausing.run", not_yet)
    async with running(handled.worker, server.url) as process:
        await append_events(store, numbered(10))
        await handled.until_runs(1)
        await wait_until(lambda: _pending_of(store, 10), description="all are in hand")
        await pause(store, KEYS, GROUP)
        await wait_until(lambda: len(process._pausing.left()) == 9, description="they are held")
        go_on.set()

    assert set((await pending(store)).values()) == {"@park"}


async def test_order_survives_a_pause(server: Server, store: Redis) -> None:
    """Also of what was in hand, what stood behind a failed event, and what came meanwhile."""
    ordered = Ordered(Worker(group=GROUP))
    ordered.declare()
    ordered.failures = {"k0_3": 3, "k1_5": 2, "k2_20": 2}
    ids = keyed(4, 60)
    await append_events(store, ids[:120])
    async with running(ordered.worker, server.url) as process:
        await ordered.until_more(10)
        for turn in range(3):
            await pause(store, KEYS, GROUP)
            await obeyed(store, process)
            runs = len(ordered.events)
            start = 120 + 40 * turn
            await append_events(store, ids[start : start + 40])
            await process._discovery.look()
            assert len(ordered.events) == runs
            await resume(store, KEYS, GROUP)
            await ordered.until_more(5)
        await ordered.until(*ids)
        await settled(store)

    assert by_key(ordered.ids) == {f"k{key}": list(range(60)) for key in range(4)}
    assert await store.exists(KEYS.lane(TAG, GROUP, TYPE), KEYS.park(TAG, GROUP)) == 0


async def test_an_ordered_run_under_way_is_finished_before_its_stream_is_given_up(
    server: Server, store: Redis
) -> None:
    """Its outcome counts, and what is behind it waits."""
    go_on = asyncio.Event()
    ordered = Ordered(Worker(group=GROUP))

    async def handle(event: Event) -> None:
        ordered.events.append(event)
        if event.id == "k0_0":
            await go_on.wait()

    ordered.worker.on(f"{TAG}:*", order_by=lambda event: event.id.partition("_")[0])(handle)
    ids = keyed(1, 5)
    await append_events(store, ids)
    async with running(ordered.worker, server.url) as process:
        await ordered.until("k0_0")
        await pause(store, KEYS, GROUP)
        await wait_until(lambda: _waiting_in_lanes(store, 4), description="the rest waits")
        owner_meanwhile = await store.hget(KEYS.owner(TAG, GROUP, TYPE), "consumer")
        go_on.set()
        await obeyed(store, process)
        await wait_until(lambda: _without_owner(store), description="it is given up")
        runs = list(ordered.ids)
        await resume(store, KEYS, GROUP)
        await ordered.until(*ids)

    assert owner_meanwhile is not None
    assert runs == ["k0_0"]
    assert ordered.ids == ids


async def _waiting_in_lanes(store: Redis, count: int) -> bool:
    return bool(await store.zcard(KEYS.lane(TAG, GROUP, TYPE)) == count)


async def _without_owner(store: Redis) -> bool:
    return await store.hget(KEYS.owner(TAG, GROUP, TYPE), "consumer") is None


async def test_a_lost_message_only_costs_time(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is in the book; workers look there by themselves."""
    monkeypatch.setattr("consumers.discover.POLL_SECONDS", 0.1)
    take_note(handled)
    async with running(handled.worker, server.url) as process:
        await append_events(store, ["evt_before"])
        await handled.until("evt_before")
        await store.hset(KEYS.paused, f"{GROUP} *:*", b"not JSON")
        await obeyed(store, process)
        await store.delete(KEYS.paused)
        await obeyed(store, process, paused=False)
        await append_events(store, ["evt_after"])
        await handled.until("evt_after")

    assert handled.ids == ["evt_before", "evt_after"]


async def test_where_the_book_cannot_be_read_the_last_state_stays(
    server: Server, store: Redis, handled: Handled
) -> None:
    """What is paused does not begin to run because somebody spoiled the book."""
    take_note(handled)
    with capture_logs() as logs:
        async with paused(store, handled, server, f"{TAG}:{TYPE}") as process:
            await store.delete(KEYS.paused)
            await store.set(KEYS.paused, "spoiled")
            await process._discovery.look()
            await append_events(store, ["evt_1"])
            await other_comes(store, process, handled)
            seen = list(handled.ids)
            await store.delete(KEYS.paused)

    assert seen == ["evt_before", "evt_other"]
    assert [line["what"] for line in logs if line["event"] == "skipped"] == [KEYS.paused]
