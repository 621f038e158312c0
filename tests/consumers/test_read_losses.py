"""The reader loses nothing: neither a reply on the way nor a group or stream for good."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import read
from consumers.entry import History, written
from consumers.suspects.suspicion import INNOCENT, Suspicion
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    US,
    append_events,
    in_books,
    make_handler,
    make_stream,
    numbered,
    pending,
    read_as,
)
from tests.consumers.reading import reading
from tests.consumers.waiting_long import make_again
from tests.proxy import proxy_to
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()


async def reads_since_reset(store: Redis) -> int:
    """Say how many XREADGROUP commands the server has seen since the last reset."""
    seen = await store.info("commandstats")
    return int(seen.get("cmdstat_xreadgroup", {}).get("calls", 0))


# --- ghosts: entries that are pending under us and in nobody's hands


async def test_a_reply_that_is_lost_on_the_way_loses_no_entry(server: Server, store: Redis) -> None:
    """The server has given the entries out; after the reconnect they are found and taken in."""
    await append_events(store, ["evt_first"])
    async with (
        proxy_to(server.port) as proxy,
        reading(proxy.url, store, make_handler()) as scene,
    ):
        await scene.until_came("evt_first")
        for event_id in numbered(4):
            await scene.until_blocked()
            proxy.lose_replies_to(b"XREADGROUP", 1)
            await append_events(store, [event_id])
            await scene.until_came(event_id)

        assert proxy.lost == 4
        assert scene.event_ids == ["evt_first", *numbered(4)]


async def test_a_reply_that_is_lost_again_during_recovery_loses_no_entry(
    server: Server, store: Redis
) -> None:
    """Recovery begins anew with each connection."""
    await append_events(store, numbered(150))
    async with proxy_to(server.port) as proxy:
        proxy.lose_replies_to(b"XREADGROUP", 3)
        async with reading(proxy.url, store, make_handler(read_ahead=500)) as scene:
            await scene.until_came(*numbered(150))

            assert proxy.lost == 3
            assert len(scene.event_ids) == 150


async def test_what_is_given_to_a_connection_that_only_the_server_holds_for_alive_is_not_lost(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves the read that blocks there, also after what is pending was compared."""
    monkeypatch.setattr(read, "BLOCK_SECONDS", 1.0)
    monkeypatch.setattr(read, "LATE_SECONDS", 1.2)
    await append_events(store, ["evt_first"])
    with capture_logs() as logs:
        async with (
            proxy_to(server.port) as proxy,
            reading(proxy.url, store, make_handler()) as scene,
        ):
            await scene.until_came("evt_first")
            for event_id in numbered(10):
                await scene.until_blocked()
                former = scene.connection._client_id
                proxy.part()
                await scene.until_read_by_another_than(former)
                await append_events(store, [event_id])
                await scene.until_came(event_id)
                # On a machine that stood still meanwhile the read had ended by itself.
                if "entries_recovered" in {line["event"] for line in logs}:
                    break

            assert "entries_recovered" in {line["event"] for line in logs}
            assert len(scene.event_ids) == len(set(scene.event_ids))


async def test_a_killed_connection_loses_no_entry(server: Server, store: Redis) -> None:
    """However often it is killed while events arrive."""
    async with reading(server.url, store, make_handler(read_ahead=500)) as scene:
        for event_id in numbered(8):
            await append_events(store, [event_id, f"{event_id}_more"])
            await scene.discovery.look()
            client_id = scene.connection._client_id
            if client_id is not None:
                await store.client_kill_filter(_id=str(client_id))
            await scene.until_came(event_id, f"{event_id}_more")

        assert len(scene.event_ids) == len(set(scene.event_ids)) == 16


async def test_what_is_in_hand_is_not_taken_in_again_by_a_recovery(
    server: Server, store: Redis
) -> None:
    """It is pending under us like a ghost, but it is being handled."""
    await append_events(store, numbered(3))
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came(*numbered(3))
        await scene.until_blocked()
        await scene.until_recovered()
        await append_events(store, ["evt_new"])
        await scene.until_came("evt_new")

        assert scene.event_ids == [*numbered(3), "evt_new"]


async def test_what_is_settled_while_a_recovery_asks_is_no_ghost(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's answer names it still, and it must not run a second time."""
    await append_events(store, numbered(3))
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came(*numbered(3))
        await scene.until_blocked()
        ask = scene.connection.execute

        async def settling(*command: str | float) -> Any:
            reply = await ask(*command)
            if command[0] == "XREADGROUP" and command[-1] == "0":
                await scene.settle(scene.came)
            return reply

        monkeypatch.setattr(scene.connection, "execute", settling)
        await scene.until_recovered()
        await append_events(store, ["evt_new"])
        await scene.until_came("evt_new")

        assert scene.event_ids == [*numbered(3), "evt_new"]


async def test_a_ghost_comes_with_what_the_books_know_of_it(server: Server, store: Redis) -> None:
    """A claim's reply was lost: the attempts that were made count, and so do strikes."""
    await append_events(store, numbered(2))
    entry_ids = await read_as(store, US)
    history = History(3, "KeyError: first")
    books = KEYS.attempts(TAG, GROUP)
    await store.hset(books, in_books(entry_ids[1]), written(history).decode())
    await store.hset(KEYS.strikes(TAG, GROUP), in_books(entry_ids[0]), "4 2")
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came(*numbered(2))
        came = {entry.entry_id: (entry.history, entry.suspicion) for entry in scene.came}

        assert came == {
            entry_ids[0]: (History(), Suspicion(4, 2)),
            entry_ids[1]: (history, INNOCENT),
        }


async def test_a_ghost_whose_entry_was_deleted_is_settled(server: Server, store: Redis) -> None:
    """There is nothing left to handle, and its id would stay pending for ever."""
    await append_events(store, numbered(2))
    entry_ids = await read_as(store, US)
    await store.xdel(STREAM.key, entry_ids[0])
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came("evt_1")

    assert list(await pending(store)) == [entry_ids[1]]


async def test_the_end_of_reading_leaves_no_ghosts(server: Server, store: Redis) -> None:
    """A read that blocks is ended from outside and never cancelled, so its reply is seen."""
    await append_events(store, ["evt_first"])
    for number in range(25):
        async with reading(server.url, store, make_handler(read_ahead=500)) as scene:
            await wait_until(lambda: scene.connection.is_open, description="it is connected")
            appending = asyncio.create_task(append_events(store, [f"evt_{number}"]))
            for _ in range(number % 5):
                await asyncio.sleep(0)
        await appending
        in_hand = {entry.entry_id for entry in scene.take()}

        assert set(await pending(store)) == in_hand
        for entry_id in in_hand:
            await store.xack(STREAM.key, GROUP, entry_id)


# --- a group or a stream that is gone


async def destroy_group(store: Redis) -> None:
    """Remove the group."""
    await store.xgroup_destroy(STREAM.key, GROUP)


async def delete_stream(store: Redis) -> None:
    """Delete the stream."""
    await store.delete(STREAM.key)


async def delete_everything(store: Redis) -> None:
    """Empty the server."""
    await store.flushall()


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (destroy_group, "group_restored"),
        (delete_stream, "stream_gone"),
        (delete_everything, "stream_gone"),
    ],
)
async def test_what_is_deleted_under_a_reader_is_said_once(
    server: Server, store: Redis, act: Callable[[Redis], Awaitable[None]], said: str
) -> None:
    """Not with each read; and where nothing can be read, nothing is asked."""
    await append_events(store, ["evt_before"])
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came("evt_before")
        await scene.settle(scene.came)
        await scene.until_blocked()
        await store.config_resetstat()
        with capture_logs() as logs:
            await act(store)
            await wait_until(
                lambda: any(line["event"] == said for line in logs), description="it is said"
            )
            for _ in range(20):
                await scene.discovery.look()
                scene.reader.wake()

        assert [line["event"] for line in logs] == [said]
        assert await reads_since_reset(store) < 30


async def test_a_stream_of_what_is_given_again_ends_without_noise(
    server: Server, store: Redis
) -> None:
    """It is removed with the last of its entries; the others are read on."""
    await append_events(store, ["evt_own"])
    stream = make_again()
    await store.xadd(stream.key, {b"id": b"evt_again"})
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came("evt_own", "evt_again")
        await scene.settle(scene.came)
        await scene.until_blocked()
        with capture_logs() as logs:
            await store.delete(stream.key)
            await append_events(store, ["evt_next"])
            await scene.until_came("evt_next")
            await store.xadd(stream.key, {b"id": b"evt_again_2"})

            async def look() -> bool:
                await scene.discovery.look()
                return "evt_again_2" in scene.event_ids

            await wait_until(look, description="it is read when it comes back")

        assert {line["event"] for line in logs} <= {"group_restored", "group_created"}


async def test_what_comes_of_a_stream_that_is_no_longer_routed_is_taken_in(
    server: Server, store: Redis
) -> None:
    """It ended and came back while one read was under way; the reader must not end by it."""
    stream = make_again()
    await append_events(store, ["evt_own"])
    await store.xadd(stream.key, {b"id": b"evt_again"})
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came("evt_own", "evt_again")
        await scene.until_blocked()
        scene.routes.remove(stream)
        await store.xadd(stream.key, {b"id": b"evt_again_2"})
        await scene.until_came("evt_again_2")
        await append_events(store, ["evt_next"])
        await scene.until_came("evt_next")

        assert set(scene.event_ids) == {"evt_own", "evt_again", "evt_again_2", "evt_next"}


@pytest.mark.parametrize("act", [destroy_group, delete_stream, delete_everything])
async def test_a_reader_recovers_from_what_is_deleted_under_it(
    server: Server, store: Redis, act: Callable[[Redis], Awaitable[None]]
) -> None:
    """It says so, asks a few times at most, and reads on when there is something to read."""
    await append_events(store, ["evt_before"])
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came("evt_before")
        await scene.settle(scene.came)
        await scene.until_blocked()
        await store.config_resetstat()
        with capture_logs() as logs:
            await act(store)
            await append_events(store, ["evt_after"])

            async def look() -> bool:
                await scene.discovery.look()
                return "evt_after" in scene.event_ids

            await wait_until(look, description="reading goes on")

        assert await reads_since_reset(store) < 30
        assert len(logs) < 10
        assert "read_refused" not in {line["event"] for line in logs}


async def test_a_group_that_is_made_again_begins_with_the_first_event(
    server: Server, store: Redis
) -> None:
    """Nobody knows what was settled, and twice is better than never."""
    await append_events(store, numbered(3))
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came(*numbered(3))
        await scene.settle(scene.came)
        await scene.until_blocked()
        await destroy_group(store)
        await wait_until(lambda: len(scene.event_ids) == 6, description="all come again")

        assert scene.event_ids == [*numbered(3), *numbered(3)]


async def test_what_is_in_hand_does_not_come_again_with_a_group_made_again(
    server: Server, store: Redis
) -> None:
    """It is under way; a second run beside it would help nobody."""
    await append_events(store, numbered(3))
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came(*numbered(3))
        await scene.until_blocked()
        await destroy_group(store)

        async def given_again() -> bool:
            found = await store.xinfo_groups(STREAM.key)
            return bool(found) and int(found[0]["pending"]) == 3

        await wait_until(given_again, description="the group is made and read again")
        await append_events(store, ["evt_new"])
        await scene.until_came("evt_new")

        assert scene.event_ids == [*numbered(3), "evt_new"]


async def test_a_deleted_stream_is_read_no_more_until_it_comes_back(
    server: Server, store: Redis
) -> None:
    """Workers make no stream: the first entry does."""
    await append_events(store, ["evt_0"])
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_came("evt_0")
        await scene.until_blocked()
        await delete_stream(store)
        await wait_until(lambda: not scene.routes.streams, description="it is not read any more")

        assert not await store.exists(STREAM.key)


async def test_other_streams_are_read_on_when_one_is_deleted(server: Server, store: Redis) -> None:
    """One read covers all of them, and the server refuses it as a whole."""
    await append_events(store, ["gone"], "gone")
    await append_events(store, ["stays"], "stays")
    async with reading(server.url, store, make_handler(pattern="unipile:*")) as scene:
        await scene.until_came("gone", "stays")
        await scene.until_blocked()
        await store.delete(make_stream("gone").key)
        await append_events(store, ["stays_2"], "stays")
        await scene.until_came("stays_2")
        await wait_until(lambda: len(scene.routes.streams) == 1, description="one is left")

        assert list(scene.routes.streams) == [make_stream("stays").key]
