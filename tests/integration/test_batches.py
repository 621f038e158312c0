"""A body with a thousand events, through the whole gateway: each is there once, whatever breaks."""

import gzip
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from redis.asyncio import Redis

from relay.contract.entry import decode
from relay.contract.event import Event
from relay.several import AT_ONCE
from tests.integration.batches import PATH, SETTINGS, TYPES, array_of, elements_of, signature
from tests.integration.gateways import Running, running
from tests.proxy import Proxy, proxy_to
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

BATCHES = "relay:{many}@batch:*"


@asynccontextmanager
async def splitting(
    server: Server, toml: Mapping[str, Any] | None = None
) -> AsyncIterator[Running]:
    """Have a gateway with an endpoint whose bodies are arrays."""
    async with running(server, {**SETTINGS, **(toml or {})}) as one:
        yield one


@asynccontextmanager
async def behind_proxy(
    server: Server, toml: Mapping[str, Any] | None = None
) -> AsyncIterator[tuple[Running, Proxy]]:
    """Have such a gateway, and what stands between it and its store."""
    async with proxy_to(server.port) as proxy:
        settings = {"redis": {"url": proxy.url}, "append_deadline_seconds": 1} | dict(toml or {})
        async with splitting(server, settings) as gateway:
            yield gateway, proxy


async def post(gateway: Running, body: bytes) -> ClientResponse:
    """Send a signed body, and read the answer."""
    answer = await gateway.client.post(PATH, data=body, headers=signature(body))
    await answer.read()
    return answer


async def stored(store: Redis) -> list[Event]:
    """Give all events of the endpoint, in the order of their delivery."""
    found: list[Event] = []
    for event_type in TYPES:
        raw: Any = await store.xrange(f"relay:{{many}}:{event_type}")
        found += [decode(fields) for _, fields in raw]
    return sorted(found, key=lambda event: event.id)


async def memory_bytes(store: Redis) -> int:
    """Say how much memory all keys take, without what the server itself needs."""
    keys: Any = await store.keys("*")
    sizes: list[Any] = [await store.memory_usage(key, samples=0) for key in keys]
    return sum(sizes)


async def assert_each_once(store: Redis, elements: list[bytes]) -> None:
    """Compare what is stored with what was sent, and the whole body with what is kept of it."""
    assert [event.data for event in await stored(store)] == elements

    (batch,) = await store.keys(BATCHES)
    kept: Any = await store.get(batch)
    assert gzip.decompress(kept) == array_of(elements)


def between(told: Callable[[], None], proxy: Proxy) -> None:
    """Have something happen when the third part of a body is on its way to the store."""
    proxy.watch(b"evt-%04d" % (2 * AT_ONCE + 5), told)


async def test_a_thousand_events_take_little_more_than_they_would_alone(server: Server) -> None:
    """Their bytes are exact, the whole body is kept once, and all is below 1.5 times single ones.

    What a sender repeats in every event packs well; ids, addresses and the words of the texts do
    not repeat. Bodies of random bytes would not pack, and all would take twice as much.
    """
    elements = elements_of("evt")
    async with splitting(server) as gateway:
        for element in elements:
            assert (await post(gateway, element)).status == 200
        alone = await memory_bytes(gateway.store)
        await gateway.store.flushall()

        answer = await post(gateway, array_of(elements))
        together = await memory_bytes(gateway.store)
        events = await stored(gateway.store)
        await assert_each_once(gateway.store, elements)

    assert (answer.status, answer.headers["relay-event-id"]) == (200, "evt-0000")
    assert {len(element) for element in elements} == {1024}
    assert [event.batch_index for event in events] == list(range(1000))
    assert {event.batch_size for event in events} == {1000}
    assert alone > 1000 * 1024
    assert together < 1.5 * alone, f"{together} bytes, {alone} alone"


async def test_a_store_that_is_away_between_two_flushes_has_each_once_after_a_retry(
    server: Server,
) -> None:
    """The sender is told to come again, though a part is stored; then the rest is added."""
    elements = elements_of("evt")
    async with behind_proxy(server) as (gateway, proxy):
        between(proxy.swallow, proxy)
        refused = await post(gateway, array_of(elements))
        part = await stored(gateway.store)
        proxy.heal()
        await wait_until_taken(gateway, array_of(elements))
        again = await post(gateway, array_of(elements))
        await assert_each_once(gateway.store, elements)

    assert refused.status == 503
    assert [event.data for event in part] == elements[: 2 * AT_ONCE]
    assert await again.json() == {"received": True, "duplicate": True}


async def test_a_reply_that_is_lost_in_the_middle_doubles_nothing(server: Server) -> None:
    """The flush was done, and nobody knows: it is sent once more."""
    elements = elements_of("evt")
    async with behind_proxy(server) as (gateway, proxy):
        between(lambda: proxy.lose_replies_to(b"EVALSHA", 1), proxy)
        answer = await post(gateway, array_of(elements))
        await assert_each_once(gateway.store, elements)

    assert answer.status == 200
    assert proxy.lost == 1


async def test_a_part_that_was_spooled_follows_with_each_once(
    server: Server, tmp_path: Path
) -> None:
    """The sender is told 200 once: what the store could not take comes from the disk."""
    elements = elements_of("evt")
    async with behind_proxy(server, {"spool": {"directory": str(tmp_path / "spool")}}) as (
        gateway,
        proxy,
    ):
        between(proxy.swallow, proxy)
        spooled = await post(gateway, array_of(elements))
        part = await stored(gateway.store)
        proxy.heal()

        async def all_are_there() -> bool:
            return len(await stored(gateway.store)) >= 1000

        await wait_until(all_are_there, description="what was spooled is stored")
        again = await post(gateway, array_of(elements))
        await assert_each_once(gateway.store, elements)

    assert (spooled.status, await spooled.json()) == (200, {"received": True, "spooled": True})
    assert len(part) == 2 * AT_ONCE
    assert again.status == 200


async def wait_until_taken(gateway: Running, body: bytes) -> None:
    """Send a body as its sender does, until it is answered 200."""

    async def taken() -> bool:
        return (await post(gateway, body)).status == 200

    await wait_until(taken, deadline_seconds=30, description="it is answered 200")
