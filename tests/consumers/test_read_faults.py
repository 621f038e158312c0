"""The reader on connections that break, hang or are ended at the worst moment."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from consumers import read
from consumers.blocking import BlockingConnection
from relay.contract import connect as connections
from relay.contract.connect import connect, text_of
from tests.consumers import reading as scenes
from tests.consumers.making import (
    GROUP,
    US,
    append_events,
    make_handler,
    make_stream,
    numbered,
    pending,
)
from tests.consumers.reading import reading
from tests.proxy import proxy_to
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a read block for a moment only, and everything be given up soon."""
    for module in (read, scenes):
        monkeypatch.setattr(module, "BLOCK_SECONDS", 0.3)
    for name in ("BLOCK_MARGIN_SECONDS", "CONNECT_TIMEOUT_SECONDS"):
        monkeypatch.setattr(connections, name, 0.3)
    monkeypatch.setattr(read, "FIRST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(read, "LAST_PAUSE_SECONDS", 0.05)


async def test_a_black_hole_is_noticed_and_costs_no_entry(
    server: Server, store: Redis, impatient: None
) -> None:
    """The server gives entries to a connection that nobody hears; they are found afterwards."""
    await append_events(store, ["evt_first"])
    async with (
        proxy_to(server.port) as proxy,
        reading(proxy.url, store, make_handler()) as scene,
    ):
        await scene.until_came("evt_first")
        await scene.settle(scene.came)
        await scene.until_blocked()
        proxy.swallow()
        await append_events(store, ["evt_swallowed"])
        try:
            await wait_until(lambda: not scene.connection.is_open, description="it is given up")
            given_to_nobody = await pending(store)
        finally:
            proxy.heal()
        await scene.until_came("evt_swallowed")

        assert list(given_to_nobody.values()) == [US]
        assert scene.event_ids == ["evt_first", "evt_swallowed"]


async def test_a_reply_that_is_lost_a_hundred_times_loses_no_entry(
    server: Server, store: Redis, impatient: None
) -> None:
    """The connection ends each time between the server's write and the reader's read."""
    events = numbered(100)
    await append_events(store, ["evt_first"])
    async with (
        proxy_to(server.port) as proxy,
        reading(proxy.url, store, make_handler(read_ahead=500)) as scene,
    ):
        await scene.until_came("evt_first")
        for number, event_id in enumerate(events, 1):
            proxy.lose_replies_to(b"XREADGROUP", 1)
            await append_events(store, [event_id])
            await scene.until_came(event_id)

            assert proxy.lost == number
        assert scene.event_ids == ["evt_first", *events]


@pytest.mark.parametrize("direction", ["to server", "to client"])
async def test_a_connection_that_is_cut_in_the_middle_loses_no_entry(
    server: Server, store: Redis, impatient: None, direction: Any
) -> None:
    """Of a command, or of a reply: at every one of many places."""
    events = numbered(60)
    await append_events(store, ["evt_first"])
    async with (
        proxy_to(server.port) as proxy,
        reading(proxy.url, store, make_handler(read_ahead=500)) as scene,
    ):
        await scene.until_came("evt_first")
        for number, event_id in enumerate(events):
            proxy.cut_after(1 + 7 * number, direction)
            await append_events(store, [event_id])
            await scene.until_came(event_id)

        assert proxy.counted["cut"] > len(events) // 4
        assert scene.event_ids == ["evt_first", *events]


async def test_a_slow_connection_is_no_lost_one(
    server: Server, store: Redis, impatient: None
) -> None:
    """As long as the answers come within their time."""
    async with (
        proxy_to(server.port) as proxy,
        reading(proxy.url, store, make_handler(read_ahead=500)) as scene,
    ):
        proxy.slow(5, jitter_ms=20)
        await append_events(store, numbered(50))
        await scene.discovery.look()
        await scene.until_came(*numbered(50))

        assert proxy.counted["delayed"]
        assert scene.event_ids == numbered(50)


async def test_a_read_that_is_ended_from_outside_is_heard_to_its_end(
    server: Server, store: Redis
) -> None:
    """However an entry and the end of the wait race, the entry is not given to nobody."""
    await store.xgroup_create(STREAM.key, GROUP, id="0", mkstream=True)
    connection = BlockingConnection(server.url, "read", 5.0)
    await connection.open()
    command = ("XREADGROUP", "GROUP", GROUP, US, "BLOCK", 4000, "STREAMS", STREAM.key, ">")
    heard: set[str] = set()
    for number in range(300):
        blocked = asyncio.create_task(connection.execute(*command))
        appending = asyncio.create_task(append_events(store, [f"evt_{number}"]))
        for _ in range(number % 12):
            await asyncio.sleep(0)
        await connection.unblock(store)
        for _, entries in await blocked or ():
            heard |= {text_of(entry_id) for entry_id, _ in entries}
        await appending
    held = await pending(store)
    await connection.aclose()

    assert set(held) == heard
    assert len(heard) > 100


async def test_a_command_is_sent_once(server: Server, store: Redis) -> None:
    """Its reply was lost, so it may be done; to send it again is for the caller to decide."""
    async with proxy_to(server.port) as proxy:
        client = connect(proxy.url, role="test")
        blocking = BlockingConnection(proxy.url, "read", 1.0)
        await blocking.open()
        proxy.lose_replies_to(b"XADD", 2)
        with pytest.raises(RedisConnectionError):
            await client.xadd(STREAM.key, {"a": "1"})
        with pytest.raises(RedisConnectionError):
            await blocking.execute("XADD", STREAM.key, "*", "a", "1")
        await client.aclose()
        await blocking.aclose()

    assert proxy.lost == 2
    assert await store.xlen(STREAM.key) == 2
