"""The reader takes what there is room for."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.blocking import BlockingConnection
from consumers.entry import History
from tests.consumers.making import US, append_events, make_handler, make_stream, numbered, pending
from tests.consumers.reading import Reading, reading
from tests.making import body_of
from tests.servers import NAMES_WITH_CLUSTER, Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.redis,
    pytest.mark.parametrize("server", NAMES_WITH_CLUSTER, indirect=True),
]

STREAM = make_stream()


# --- what comes in


async def test_what_was_there_before_the_group_is_read_first(server: Server, store: Redis) -> None:
    """A group begins with the first event that is stored."""
    ids = numbered(3)
    await append_events(store, ids)
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came(*ids)
        await append_events(store, ["evt_new"])
        await scene.until_came("evt_new")

        assert scene.event_ids == [*ids, "evt_new"]
        assert set((await pending(store)).values()) == {US}


async def test_an_entry_comes_with_everything_it_holds(server: Server, store: Redis) -> None:
    """Its stream, its id, and its fields as the gateway wrote them."""
    (entry_id,) = await append_events(store, ["evt_1"])
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came("evt_1")
        (entry,) = scene.came

    assert (entry.entry_id, entry.stream) == (entry_id, STREAM)
    assert entry.fields[b"data"] == body_of("evt_1")
    assert entry.history == History()


# --- room


async def test_never_more_is_in_hand_than_the_room_allows(server: Server, store: Redis) -> None:
    """The bound holds over all streams of a handler together, and in the store's books."""
    types = ["a", "b", "c"]
    for name in types:
        await append_events(store, numbered(20, name), name)
    handler = make_handler(pattern="unipile:*", concurrency=2, read_ahead=3)
    async with reading(server.url, store, handler) as scene:
        in_hand = 0
        while len(scene.came) < 60:
            await wait_until(lambda: bool(scene.take()), description="more comes")
            held = [await pending(store, make_stream(name)) for name in types]
            in_hand = sum(len(entries) for entries in held)
            assert in_hand <= 5
            await scene.settle([entry for entry in scene.came if entry.entry_id in _all(held)])

        assert sorted(scene.event_ids) == sorted(
            event_id for name in types for event_id in numbered(20, name)
        )


def _all(held: list[dict[str, str]]) -> set[str]:
    return {entry_id for entries in held for entry_id in entries}


async def test_a_handler_without_room_does_not_hold_up_another(
    server: Server, store: Redis
) -> None:
    """Its streams are left out of the read; the others go on."""
    await append_events(store, numbered(10, "slow"), "slow")
    slow = make_handler(pattern="unipile:slow", concurrency=1, read_ahead=0)
    async with reading(server.url, store, slow, make_handler(pattern="unipile:*")) as scene:
        await scene.until_came("slow_0")
        await append_events(store, numbered(10, "fast"), "fast")
        await scene.discovery.look()
        await scene.until_came(*numbered(10, "fast"))

        assert [each for each in scene.event_ids if each.startswith("slow")] == ["slow_0"]


async def test_regained_room_ends_a_read_that_blocks_on_other_streams(
    server: Server, store: Redis
) -> None:
    """Each of many entries follows at once on the one before, beside idle streams."""
    await append_events(store, numbered(40, "slow"), "slow")
    for name in numbered(5, "idle"):
        await append_events(store, [name], name)
    slow = make_handler(pattern="unipile:slow", concurrency=1, read_ahead=0)
    async with reading(server.url, store, slow, make_handler(pattern="unipile:*")) as scene:
        await scene.until_came(*numbered(5, "idle"))
        for event_id in numbered(40, "slow"):
            await scene.until_came(event_id)
            await scene.settle(
                [entry for entry in scene.came if entry.fields[b"id"] == event_id.encode()]
            )


async def test_a_room_with_fewer_places_than_streams_asks_them_in_turn(
    server: Server, store: Redis
) -> None:
    """Each has its turn, also while the others always have more."""
    types = numbered(4, "type")
    for name in types:
        await append_events(store, numbered(5, name), name)
    handler = make_handler(pattern="unipile:*", concurrency=1, read_ahead=0)
    async with reading(server.url, store, handler) as scene:
        for _ in range(20):
            await wait_until(lambda: bool(scene.take()), description="the next one comes")
            await scene.settle([scene.came[-1]])

        assert {entry.stream.event_type for entry in scene.came[:4]} == set(types)
        assert len(set(scene.event_ids)) == 20


async def test_an_event_waits_for_no_stream_in_which_nothing_comes(
    server: Server, store: Redis
) -> None:
    """A handler with one place and many streams looks at all of them within a moment."""
    types = numbered(6, "type")
    for name in types:
        await append_events(store, [name], name)
    handler = make_handler(pattern="unipile:*", concurrency=1, read_ahead=0)
    async with reading(server.url, store, handler) as scene:
        for number in range(9):
            await wait_until(lambda: bool(scene.take()), description="the next one comes")
            await scene.settle([scene.came[-1]])
            if number >= 5:
                await append_events(store, [f"more_{number}"], types[number % 3])
        await scene.until_came("more_8")


async def test_large_bodies_are_read_a_few_at_a_time(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many are asked for follows from the size of those that came."""
    monkeypatch.setattr("consumers.sizes.MAX_BYTES", 64 * 1024)
    monkeypatch.setattr("consumers.sizes.FIRST_GUESS_BYTES", 16 * 1024)
    await append_events(store, ["evt_0"])
    fields: Any = {"data": b"x" * 16 * 1024, "id": "large"}
    for _ in range(40):
        await store.xadd(STREAM.key, fields)
    scene = Reading(server.url, store, make_handler(read_ahead=1000))
    await scene.discovery.look()
    await scene.connection.open()
    came = []
    for _ in range(4):
        await scene.reader._step()
        came.append(len(scene.take()))
    await scene.connection.aclose()

    assert all(1 <= count <= 5 for count in came)


async def test_a_busy_stream_beside_many_idle_ones_fills_its_room(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places are counted over all streams together, and not for each."""
    for name in numbered(40, "idle"):
        await append_events(store, [name], name)
    await append_events(store, numbered(200, "busy"), "busy")
    monkeypatch.setattr("consumers.sizes.FIRST_GUESS_BYTES", 1024)
    handler = make_handler(pattern="unipile:*", concurrency=10, read_ahead=50)
    scene = Reading(server.url, store, handler)
    await scene.discovery.look()
    await scene.connection.open()
    await scene.reader._step()
    first = scene.take()
    await scene.settle(first)
    await scene.reader._step()
    second = scene.take()
    await scene.connection.aclose()

    assert len(first) == len(second) == 60
    assert {entry.stream.event_type for entry in first} == {*numbered(40, "idle"), "busy"}


async def test_a_second_wake_is_not_swallowed_by_one_under_way(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first may have ended its read already, and the next have begun without the news."""
    scene = Reading(server.url, store, make_handler())
    gate = asyncio.Event()
    begun = 0

    async def unblock(redis: Redis) -> None:
        nonlocal begun
        begun += 1
        await gate.wait()

    monkeypatch.setattr(scene.connection, "unblock", unblock)
    monkeypatch.setattr(BlockingConnection, "is_busy", True)
    scene.reader.wake()
    await wait_until(lambda: begun == 1, description="the first is under way")
    scene.reader.wake()
    await wait_until(lambda: begun == 2, description="the second is under way too")
    gate.set()
    await wait_until(lambda: not scene.reader._wakers, description="both have ended")
