"""A worker whose clock is wrong, whose pool is small, or whose event loop stands still."""

import time
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import Event, Retry, app, heartbeat
from relay.contract.connect import connect
from tests.consumers.making import (
    GROUP,
    KEYS,
    append_events,
    due_times,
    make_stream,
    now_ms,
    numbered,
    pending,
)
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.servers import Server, wait_until_sync
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

DAY_SECONDS = 86_400


@pytest.mark.parametrize("wrong_seconds", [-DAY_SECONDS, DAY_SECONDS])
async def test_a_wrong_clock_neither_delays_a_retry_nor_hastens_it(
    server: Server,
    store: Redis,
    handled: Handled,
    monkeypatch: pytest.MonkeyPatch,
    wrong_seconds: int,
) -> None:
    """Due times are the store's, like entry ids, so that all workers mean the same by them."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + wrong_seconds)

    @handled.worker.on("unipile:*", retry=Retry(base_seconds=0.05, jitter=0.0))
    async def soon(event: Event) -> None:
        handled.events.append(event)
        if event.attempt == 1:
            raise ValueError

    @handled.worker.on("unipile:late", retry=Retry(base_seconds=600.0, jitter=0.0))
    async def late(event: Event) -> None:
        raise ValueError

    await append_events(store, ["evt_soon"])
    await append_events(store, ["evt_late"], "late")
    async with running(handled.worker, server.url):
        await handled.until_runs(2)
        await settled(store)

        async def parked() -> bool:
            return len(await due_times(store)) == 1

        await wait_until(parked, description="the late one is parked")
    (due_ms,) = (await due_times(store)).values()

    assert [event.attempt for event in handled.events] == [1, 2]
    assert abs(due_ms - await now_ms(store) - 600_000) < 60_000


async def test_blocking_reads_leave_the_pool_to_everything_else(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections are enough for acknowledgements and duties beside fifty streams."""

    def small(url: str, **options: Any) -> Redis:
        return connect(url, **options | {"connections": 2})

    monkeypatch.setattr(app, "connect", small)

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    types = numbered(50, "type")
    for name in types:
        await append_events(store, numbered(4, name), name)
    async with running(handled.worker, server.url):
        await handled.until_runs(200)
        for name in types:
            await settled(store, name)

    assert len(set(handled.ids)) == 200


async def test_an_event_loop_that_stands_still_is_said_and_then_as_good_as_dead(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign of life ends while a handler blocks the loop, and comes back with it."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(heartbeat, "DEAD_SECONDS", 1.0)
    monkeypatch.setattr(heartbeat, "STALL_LOGGED_SECONDS", 0.7)
    monkeypatch.setattr(heartbeat, "STALL_DEAD_SECONDS", 1.0)
    names: list[str] = []

    @handled.worker.on("unipile:*", timeout_seconds=None)
    async def handle(event: Event) -> None:
        handled.events.append(event)
        alive = KEYS.alive(GROUP, names[0])
        with server.client() as client:
            assert client.exists(alive)
            wait_until_sync(lambda: not client.exists(alive), description="it counts as dead")

    with capture_logs() as logs:
        async with running(handled.worker, server.url) as process:
            names.append(process.consumer)
            await append_events(store, ["evt_1"])
            await handled.until("evt_1")

            async def lives() -> bool:
                return bool(await store.exists(KEYS.alive(GROUP, process.consumer)))

            await wait_until(lives, description="it lives again")

    assert "event_loop_stalled" in {line["event"] for line in logs}
    assert not await pending(store, make_stream())
    assert handled.ids == ["evt_1"]
