"""One endpoint's broken books cost that endpoint, and no other."""

import pytest
from redis.asyncio import Redis

from consumers import Event, Retry, Worker
from relay.append import Appender
from relay.contract.keys import Keys
from tests.consumers.working import running
from tests.making import make_identified
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

KEYS = Keys()
GROUP = "crm"


async def stored(store: Redis, tag: str, count: int = 3) -> None:
    """Append events to an endpoint, and make it known as a gateway does."""
    appender = Appender(store, KEYS)
    for number in range(count):
        await appender.append(make_identified(f"{tag}-{number}", tag=tag))
    await appender.stop()
    await store.sadd(KEYS.tags, tag)


@pytest.mark.parametrize(
    "broken",
    [
        KEYS.streams("aaa"),
        KEYS.stream("aaa", "message.new"),
        KEYS.park("aaa", GROUP),
        KEYS.attempts("aaa", GROUP),
        KEYS.dead("aaa", GROUP),
        KEYS.lease_sweep("aaa", GROUP),
        KEYS.control,
    ],
)
@pytest.mark.parametrize("when", ["before", "while running"])
async def test_a_key_of_a_wrong_type_stops_nobody_else(
    server: Server, store: Redis, broken: str, when: str
) -> None:
    """All of the other endpoint's events are handled or set aside."""
    worker = Worker(group=GROUP)
    done: list[str] = []

    @worker.on("*:*", retry=Retry(attempts=2, base_seconds=0.01), concurrency=2)
    async def handle(event: Event) -> None:
        if event.id.endswith("0"):
            raise ValueError
        done.append(event.id)

    await stored(store, "aaa")
    await stored(store, "bbb")
    if when == "before":
        await _break(store, broken)
    async with running(worker, server.url):
        if when != "before":
            await wait_until(lambda: "bbb-2" in done, description="it is under way")
            await _break(store, broken)
            await stored(store, "bbb", 6)
        last = "bbb-2" if when == "before" else "bbb-5"
        await wait_until(lambda: last in done, description="the neighbour's events are handled")
        await wait_until(lambda: _has_letters(store), description="its failure is set aside")
    await store.delete(broken)


async def _break(store: Redis, key: str) -> None:
    await store.delete(key)
    await store.set(key, "not what it should be")


async def test_a_worker_joins_and_drains_a_full_store(server: Server, store: Redis) -> None:
    """A group that cannot be made while memory is full could never make room."""
    await stored(store, "aaa", 50)
    worker = Worker(group=GROUP)
    done: list[str] = []

    @worker.on("*:*")
    async def handle(event: Event) -> None:
        done.append(event.id)

    await store.config_set("maxmemory", 1)
    async with running(worker, server.url):
        await wait_until(lambda: len(done) == 50, description="the backlog is handled")
    await store.config_set("maxmemory", 0)


async def _has_letters(store: Redis) -> bool:
    return bool(await store.xlen(KEYS.dead("bbb", GROUP)))
