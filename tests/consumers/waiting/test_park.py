"""Parked entries come back when they are due."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from consumers.dispatch import Routes
from consumers.entry import HeldEntry, History, written
from consumers.rooms import House, Room
from consumers.suspects.suspicion import Suspicion
from consumers.waiting import park
from consumers.waiting.park import Parking
from relay.contract.keys import entry_of
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    US,
    append_events,
    due_times,
    full,
    histories,
    in_books,
    make_handler,
    make_stream,
    now_ms,
    pending,
    read_as,
    strikes,
    us,
)
from tests.consumers.reading import reading
from tests.consumers.waiting_long import make_again
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


class Scene:
    """A worker's way of taking due entries, for the streams that it has handlers for."""

    def __init__(self, store: Redis, *types: str, **handler: Any) -> None:
        self.store = store
        self.house = House([make_handler(pattern=f"*:{name}", **handler) for name in types])
        self.routes = Routes(self.house.rooms)
        self.lost_replies = 0
        self.parking = Parking(
            us(store),
            house=self.house,
            routes=self.routes,
            recover_soon=self._lost_reply,
        )
        for name in types:
            self.routes.add(make_stream(name))

    def _lost_reply(self) -> None:
        self.lost_replies += 1

    @property
    def room(self) -> Room:
        """The first handler's room."""
        return self.house.rooms[0]

    def taken(self) -> list[HeldEntry]:
        """Give what came into the rooms."""
        return [entry for room in self.house.rooms for entry in room.drain()]


async def parked(
    store: Redis, count: int = 1, *, event_type: str = TYPE, tag: str = TAG, due_ms: int = 1
) -> list[str]:
    """Append events and park them, due at a time, and give their entry ids."""
    stream = make_stream(event_type, tag)
    ids = [f"evt_{event_type}_{number}" for number in range(count)]
    await append_events(store, ids, event_type, tag)
    entry_ids = await read_as(store, "before", stream)
    await store.xclaim(stream.key, GROUP, "@park", 0, entry_ids)  # type: ignore[arg-type]
    names = {in_books(entry_id, event_type): float(due_ms) for entry_id in entry_ids}
    await store.zadd(KEYS.park(tag, GROUP), names)
    return entry_ids


async def test_a_due_entry_comes_into_its_handlers_room_with_its_history(store: Redis) -> None:
    """It is pending under us now, and its due time is gone."""
    (entry_id,) = await parked(store)
    history = History(2, "KeyError: first")
    await store.hset(KEYS.attempts(TAG, GROUP), in_books(entry_id), written(history).decode())
    scene = Scene(store, TYPE)
    await scene.parking.look()
    (entry,) = scene.taken()

    assert (entry.entry_id, entry.stream, entry.history) == (entry_id, make_stream(), history)
    assert entry.fields[b"id"] == b"evt_message.new_0"
    assert await pending(store) == {entry_id: US}
    assert await due_times(store) == {}
    assert list(await histories(store)) == [in_books(entry_id)]


async def test_an_entry_that_is_not_due_stays(store: Redis) -> None:
    """Its time is told by the store's clock."""
    (entry_id,) = await parked(store, due_ms=await now_ms(store) + 60_000)
    scene = Scene(store, TYPE)
    await scene.parking.look()

    assert scene.taken() == []
    assert await pending(store) == {entry_id: "@park"}


async def settled(store: Redis, entry_id: str) -> None:
    """Somebody acknowledged the entry."""
    await store.xack(make_stream().key, GROUP, entry_id)


async def taken(store: Redis, entry_id: str) -> None:
    """Somebody has the entry in hand."""
    await store.xclaim(make_stream().key, GROUP, "other", 0, [entry_id])


async def deleted(store: Redis, entry_id: str) -> None:
    """Somebody deleted the entry from its stream."""
    await store.xdel(make_stream().key, entry_id)


@pytest.mark.parametrize(
    ("event", "owner"),
    [(settled, None), (taken, "other"), (deleted, None)],
    ids=["settled", "taken", "deleted"],
)
async def test_what_became_of_a_parked_entry_otherwise_counts(
    store: Redis, event: Callable[[Redis, str], Awaitable[None]], owner: str | None
) -> None:
    """Its due time is cleared away; its history goes with it if the entry is settled."""
    (entry_id,) = await parked(store)
    await store.hset(KEYS.attempts(TAG, GROUP), in_books(entry_id), "{}")
    await event(store, entry_id)
    scene = Scene(store, TYPE)
    await scene.parking.look()

    assert scene.taken() == []
    assert await pending(store) == ({} if owner is None else {entry_id: owner})
    assert await due_times(store) == {}
    assert list(await histories(store)) == ([] if owner is None else [in_books(entry_id)])


async def test_no_more_is_taken_than_there_is_room_for(store: Redis) -> None:
    """The rest stays parked; claims have as many places more as there are lanes."""
    entry_ids = await parked(store, 5)
    scene = Scene(store, TYPE, concurrency=2, read_ahead=0)
    await scene.parking.look()
    first = scene.taken()
    await scene.parking.look()

    assert [entry.entry_id for entry in first] == entry_ids[:4]
    assert scene.taken() == []
    assert len(await due_times(store)) == 1
    for entry in first:
        scene.room.let_go(entry)
    await scene.parking.look()
    assert [entry.entry_id for entry in scene.taken()] == entry_ids[4:]


async def test_types_that_nobody_here_handles_do_not_stand_in_the_way(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages full of them are passed over, and they stay as they are."""
    monkeypatch.setattr(park, "PAGE", 10)
    theirs = await parked(store, 35, event_type="email.new", due_ms=1)
    ours = await parked(store, 3, due_ms=2)
    scene = Scene(store, TYPE)
    await scene.parking.look()

    assert [entry.entry_id for entry in scene.taken()] == ours
    assert [entry_of(name) for name in await due_times(store)] == [
        (entry_id, "email.new") for entry_id in theirs
    ]


async def test_one_types_full_room_does_not_stand_in_anothers_way(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has no room is passed over like what has no handler."""
    monkeypatch.setattr(park, "PAGE", 10)
    await parked(store, 25, event_type="a", due_ms=1)
    await parked(store, 3, event_type="b", due_ms=2)
    scene = Scene(store, "a", "b", concurrency=4, read_ahead=0)
    await scene.parking.look()
    types = [entry.stream.event_type for entry in scene.taken()]

    assert (types.count("a"), types.count("b")) == (8, 3)


async def test_a_look_passes_over_a_bounded_number_and_the_next_goes_on_from_there(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has no room or no handler here must not cost a look through all of it, nor starve us."""
    monkeypatch.setattr(park, "PAGE", 10)
    monkeypatch.setattr(park, "VAIN_PAGES", 2)
    await parked(store, 55, event_type="email.new", due_ms=1)
    ours = await parked(store, 3, due_ms=2)
    scene = Scene(store, TYPE)
    pages: list[int] = []
    take_page = scene.parking._take_page

    async def count(*arguments: Any) -> tuple[bool, int]:
        pages[-1] += 1
        return await take_page(*arguments)

    monkeypatch.setattr(scene.parking, "_take_page", count)
    came: list[list[str]] = []
    for _ in range(4):
        pages.append(0)
        await scene.parking.look()
        came.append([entry.entry_id for entry in scene.taken()])

    assert came == [[], [], ours, []]
    # The fourth begins anew: what was parked meanwhile with an early time is not passed over.
    assert pages == [2, 2, 2, 2]
    assert scene.parking._passed == {TAG: 20}


async def test_what_was_not_looked_at_for_want_of_room_comes_next(store: Redis) -> None:
    """In the order of the due times, also where a roomful is a part of a page."""
    entry_ids = await parked(store, 30)
    scene = Scene(store, TYPE, concurrency=2, read_ahead=0)
    came: list[str] = []
    while len(came) < 30:
        await scene.parking.look()
        for entry in scene.taken():
            came.append(entry.entry_id)
            scene.room.let_go(entry)

    assert came == entry_ids


async def test_a_full_room_that_is_regained_has_it_look_again(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand that are due would come by a roomful each fifth of a second."""
    monkeypatch.setattr(park, "POLL_SECONDS", 60)
    entry_ids = await parked(store, 40)
    scene = Scene(store, TYPE, concurrency=2, read_ahead=0)
    running = asyncio.create_task(scene.parking.run())
    came: list[str] = []

    def handle() -> bool:
        for entry in scene.taken():
            came.append(entry.entry_id)
            scene.room.let_go(entry)
        return len(came) == len(entry_ids)

    await wait_until(handle, description="all came")
    running.cancel()

    assert came == entry_ids


async def test_large_entries_come_in_smaller_pages(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole page of ten MiB each would be more than a process may hold."""
    monkeypatch.setattr(park, "PAGE_BYTES", 1000)
    await parked(store, 20)
    scene = Scene(store, TYPE)
    more, taken = await scene.parking._take_page(TAG, [(make_stream(), scene.room)])
    await scene.parking.look()

    assert more
    assert 0 < taken < 10
    assert len(scene.taken()) == 20


async def test_a_suspect_comes_back_as_one(store: Redis) -> None:
    """Parking clears nobody: it must still run alone."""
    (entry_id,) = await parked(store)
    await store.hset(KEYS.strikes(TAG, GROUP), in_books(entry_id), "3 1")
    scene = Scene(store, TYPE)
    await scene.parking.look()

    assert [entry.suspicion for entry in scene.taken()] == [Suspicion(3, 1)]
    assert await strikes(store) == {in_books(entry_id): "3 1"}


@pytest.mark.parametrize(
    "book", [KEYS.park(TAG, GROUP), KEYS.attempts(TAG, GROUP), KEYS.strikes(TAG, GROUP)]
)
async def test_a_book_of_a_wrong_type_stops_it_before_anything_is_half_done(
    store: Redis, book: str
) -> None:
    """It is said once, and goes on when it is mended."""
    entry_ids = await parked(store, 2)
    due = await due_times(store)
    await store.delete(book)
    await store.set(book, "x", px=60_000)
    scene = Scene(store, TYPE)
    with capture_logs() as logs:
        await scene.parking.look()
        await scene.parking.look()
    held = await pending(store)
    await store.delete(book)
    await store.zadd(KEYS.park(TAG, GROUP), due)
    await scene.parking.look()

    assert [(line["event"], line["error"]) for line in logs] == [("skipped", "WRONGTYPE")]
    assert held == dict.fromkeys(entry_ids, "@park")
    assert [entry.entry_id for entry in scene.taken()] == entry_ids


async def test_equal_entry_ids_of_two_types_are_told_apart(store: Redis) -> None:
    """One script call gives entries of several types the same id."""
    for name in ("a", "b"):
        stream = make_stream(name)
        await store.xadd(stream.key, {"of": name}, id="7-1")
        await store.xgroup_create(stream.key, GROUP, id="0")
        await read_as(store, "@park", stream)
        await store.zadd(KEYS.park(TAG, GROUP), {in_books("7-1", name): 1.0})
    scene = Scene(store, "a", "b")
    await scene.parking.look()

    assert {(entry.stream.event_type, entry.fields[b"of"]) for entry in scene.taken()} == {
        ("a", b"a"),
        ("b", b"b"),
    }
    assert await due_times(store) == {}


async def test_equal_entry_ids_of_a_type_and_of_what_is_given_again_are_told_apart(
    store: Redis,
) -> None:
    """Both are read for the same handler, and parked in the same book."""
    scene = Scene(store, TYPE)
    scene.routes.add(make_again())
    for stream in (make_stream(), make_again()):
        await store.xadd(stream.key, {"of": stream.key}, id="7-1")
        await read_as(store, "@park", stream)
        await store.zadd(KEYS.park(TAG, GROUP), {in_books("7-1", stream.book_name): 1.0})
    await scene.parking.look()

    assert {(entry.stream, entry.fields[b"of"].decode()) for entry in scene.taken()} == {
        (stream, stream.key) for stream in (make_stream(), make_again())
    }


async def test_every_tag_is_looked_through(store: Redis) -> None:
    """Partitions have books of their own."""
    await parked(store, tag="unipile#0")
    await parked(store, tag="unipile#1")
    scene = Scene(store, TYPE)
    for tag in ("unipile#0", "unipile#1"):
        scene.routes.add(make_stream(tag=tag))
    await scene.parking.look()

    assert {entry.stream.tag for entry in scene.taken()} == {"unipile#0", "unipile#1"}


async def test_a_full_server_gives_due_entries_back(store: Redis) -> None:
    """Taking them needs no memory."""
    (entry_id,) = await parked(store)
    scene = Scene(store, TYPE)
    async with full(store):
        await scene.parking.look()

    assert [entry.entry_id for entry in scene.taken()] == [entry_id]


async def test_a_lost_reply_has_the_pending_entries_compared(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the lost reply named is pending under us and in nobody's hands."""
    scene = Scene(store, TYPE)

    async def lost(tag: str, streams: list[tuple[Stream, Room]]) -> tuple[bool, int]:
        raise RedisConnectionError

    monkeypatch.setattr(scene.parking, "_take_page", lost)
    running = asyncio.create_task(scene.parking.run())
    await wait_until(lambda: scene.lost_replies > 0, description="a reply is lost")
    # In a cluster it goes on with what other servers have.
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert scene.lost_replies


async def test_an_entry_that_the_reader_recovers_before_the_reply_is_heard_runs_once(
    server: Server, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage both look at the same time; whoever hears last has it run once only."""
    await parked(store)
    async with reading(server.url, store, make_handler()) as scene:
        await scene.until_blocked()
        due = park._due

        async def slowly(*call: Any) -> Any:
            reply = await due(*call)
            await scene.until_recovered()
            return reply

        monkeypatch.setattr(park, "_due", slowly)
        parking = Parking(
            us(store), house=scene.house, routes=scene.routes, recover_soon=lambda: None
        )
        await parking.look()
        entries = scene.take()
        await scene.settle(entries)

        assert len(entries) == 1
        assert scene.take() == []


async def test_what_is_claimed_as_the_worker_ends_is_heard_of(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would stay pending under a name that is gone, and count as taken over."""
    (entry_id,) = await parked(store)
    scene = Scene(store, TYPE)
    due, claimed, answered = park._due, asyncio.Event(), asyncio.Event()

    async def slowly(*call: Any) -> Any:
        reply = await due(*call)
        claimed.set()
        await answered.wait()
        return reply

    monkeypatch.setattr(park, "_due", slowly)
    looking = asyncio.create_task(scene.parking.look())
    await claimed.wait()
    looking.cancel()
    await asyncio.sleep(0)
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await looking

    assert [entry.entry_id for entry in scene.taken()] == [entry_id]
