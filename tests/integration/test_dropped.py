"""A stream whose oldest entries are dropped while its group is busy with them: it goes on."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers import Event, Retry, Worker
from relay.append import Appender, Limits
from tests.consumers.making import GROUP, KEYS, TAG, TYPE, make_stream, numbered, pending, read_as
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.making import make_identified
from tests.relay.test_append_caps import Fixed
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
CAP = 20
QUICK = Retry(attempts=1000, base_seconds=0.02, cap_seconds=0.02)
SLOW = Retry(attempts=9, base_seconds=3600, cap_seconds=3600, jitter=0)


class Hindered(Handled):
    """Fails, or waits, until it may go on."""

    def __init__(self) -> None:
        super().__init__(Worker(group=GROUP))
        self.fails = True
        self.holds = False
        self.begun = 0
        self.may_go_on = asyncio.Event()

    def declare(self, **options: Any) -> None:
        """Declare the handler."""
        given: dict[str, Any] = {"retry": QUICK} | options
        self.worker.on(f"{TAG}:*", **given)(self.handle)

    async def handle(self, event: Event) -> None:
        """Take note of an event, or not yet."""
        self.begun += 1
        if self.holds:
            await self.may_go_on.wait()
        elif self.fails:
            raise ValueError(event.id)
        self.events.append(event)


async def append_capped(store: Redis, event_ids: list[str]) -> None:
    """Append events to a stream that keeps the newest twenty."""
    await store.sadd(KEYS.tags, TAG)
    appender = Appender(store, KEYS, limits=Limits(streams=Fixed(f"-{CAP} 0")))
    await asyncio.gather(*(appender.append(make_identified(one, TYPE)) for one in event_ids))
    await appender.stop()


async def left(store: Redis) -> set[bytes]:
    """Name the events that the stream has."""
    found: Any = await store.xrange(STREAM.key)
    return {fields[b"id"] for _, fields in found}


async def books(store: Redis) -> int:
    """Count the group's books that still know something."""
    keys = (KEYS.park(TAG, GROUP), KEYS.attempts(TAG, GROUP), KEYS.strikes(TAG, GROUP))
    return int(await store.exists(*keys, KEYS.lane(TAG, GROUP, TYPE)))


async def forgotten(store: Redis) -> None:
    """Wait until everything is settled, and what was dropped while parked is out of the books.

    It is looked for once it is due.
    """
    await settled(store)

    async def all_forgotten() -> bool:
        return await books(store) == 0

    await wait_until(all_forgotten, description="the books know nothing")


@pytest.mark.parametrize("order_by", [None, "account", lambda _: "one"], ids=["no", "few", "one"])
async def test_what_is_dropped_while_it_waits_is_let_go(
    server: Server, store: Redis, order_by: Any
) -> None:
    """Parked, or behind a failed one: the rest is handled, and nothing of it stays in the books."""
    hindered = Hindered()
    hindered.declare(order_by=order_by)
    await append_capped(store, numbered(CAP, "old"))
    async with running(hindered.worker, server.url):
        await wait_until(lambda: hindered.begun >= 3, description="some have failed")
        await append_capped(store, numbered(CAP, "new"))
        hindered.fails = False
        await hindered.until(*numbered(CAP, "new"))
        await forgotten(store)

    assert await left(store) == {one.encode() for one in numbered(CAP, "new")}
    assert await books(store) == 0


async def test_what_is_dropped_while_it_is_handled_ends_well(server: Server, store: Redis) -> None:
    """Its handler has what it was given; acknowledging what is gone is no error."""
    hindered = Hindered()
    hindered.holds = True
    hindered.declare(concurrency=5)
    await append_capped(store, numbered(CAP, "old"))
    async with running(hindered.worker, server.url):
        await wait_until(lambda: hindered.begun == 5, description="five are busy")
        await append_capped(store, numbered(CAP, "new"))
        hindered.holds = hindered.fails = False
        hindered.may_go_on.set()
        await hindered.until(*numbered(5, "old"), *numbered(CAP, "new"))
        await forgotten(store)

    assert await books(store) == 0


async def test_what_is_dropped_under_a_dead_worker_is_let_go(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can take it over, and it must not hold the stream for ever."""
    monkeypatch.setattr("consumers.heartbeat.BEAT_SECONDS", 0.05)
    monkeypatch.setattr("consumers.heartbeat.DEAD_SECONDS", 0.3)
    monkeypatch.setattr("consumers.sweep.SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("consumers.sweep.MIN_IDLE_MS", 0)
    hindered = Hindered()
    hindered.fails = False
    hindered.declare()
    await append_capped(store, numbered(CAP, "old"))
    await read_as(store, "dead")
    await append_capped(store, numbered(CAP // 2, "new"))
    async with running(hindered.worker, server.url):
        await hindered.until(*numbered(CAP // 2, "new"))
        await wait_until(
            lambda: set(hindered.ids) >= set(numbered(CAP, "old")[CAP // 2 :]),
            description="what is left of the dead worker's is taken over",
        )
        await forgotten(store)

    assert await pending(store) == {}
    assert await books(store) == 0


async def test_a_long_wait_is_not_dropped_with_its_stream(server: Server, store: Redis) -> None:
    """What is due in more than ten minutes waits elsewhere."""
    hindered = Hindered()
    hindered.declare(retry=SLOW)
    await append_capped(store, numbered(5, "old"))
    async with running(hindered.worker, server.url):

        async def all_wait() -> bool:
            return bool(await store.xlen(KEYS.later(TAG, GROUP)) == 5)

        await wait_until(all_wait, description="all wait")
        hindered.fails = False
        await append_capped(store, numbered(2 * CAP, "new"))
        await settled(store)

    assert await store.xlen(KEYS.later(TAG, GROUP)) == 5
