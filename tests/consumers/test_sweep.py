"""What a dead worker held is taken over, and what a live one holds is not."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from consumers.dispatch import Routes
from consumers.entry import HeldEntry, History, written
from consumers.rooms import House
from consumers.sweep import Sweeper
from consumers.turn import Turn
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    US,
    append_events,
    full,
    in_books,
    make_handler,
    make_stream,
    pending,
    read_as,
    us,
)

pytestmark = pytest.mark.redis

STREAM = make_stream()
LONG_MS = 60_000


class Scene:
    """A worker's way of taking over, for the streams that it has handlers for."""

    def __init__(
        self,
        store: Redis,
        *,
        consumer: str = US,
        types: Iterable[str] = (TYPE,),
        may: bool = True,
        **handler: Any,
    ) -> None:
        self.house = House([make_handler(pattern="unipile:*", **handler)])
        self.routes = Routes(self.house.rooms)
        self.may = may
        self.lost_replies = 0
        self.us = us(store, consumer)
        self.sweeper = Sweeper(
            self.us,
            house=self.house,
            routes=self.routes,
            may_take_over=lambda: self.may,
            recover_soon=self._lost_reply,
        )
        for name in types:
            self.routes.add(make_stream(name))

    def _lost_reply(self) -> None:
        self.lost_replies += 1

    async def sweep_stream(self) -> None:
        """Look through a stream without asking whose turn it is."""
        turn = Turn(self.us, "relay:{unipile}@lease:nobody", 60_000)
        turn._ours = True
        await self.sweeper._sweep_stream(STREAM, self.house.rooms[0], turn)

    def taken(self) -> list[HeldEntry]:
        """Give what came into the room."""
        return self.house.rooms[0].drain()


async def held_by(
    store: Redis,
    consumer: str,
    count: int = 1,
    *,
    idle_ms: int = LONG_MS,
    stream: Stream = STREAM,
) -> list[str]:
    """Append events, have a consumer read them, and let that be some time ago."""
    ids = [f"evt_{consumer}_{stream.event_type}_{number}" for number in range(count)]
    await append_events(store, ids, stream.event_type)
    entry_ids = await read_as(store, consumer, stream)
    await make_idle(store, consumer, entry_ids, idle_ms, stream)
    return entry_ids


async def make_idle(
    store: Redis, consumer: str, entry_ids: list[str], idle_ms: int, stream: Stream = STREAM
) -> None:
    """Let the last word of a consumer on entries be some time ago."""
    await store.xclaim(stream.key, GROUP, consumer, 0, [*entry_ids], idle=idle_ms, justid=True)


async def beat(store: Redis, consumer: str) -> None:
    """Give a consumer a heartbeat."""
    await store.set(KEYS.alive(GROUP, consumer), "1", px=LONG_MS)


# --- who is dead


async def test_a_dead_consumers_entries_are_taken_over(store: Redis) -> None:
    """On a stream where nothing else happens, too; they come with their fields and history."""
    entry_ids = await held_by(store, "dead", 2)
    history = History(2, "KeyError: first")
    books = KEYS.attempts(TAG, GROUP)
    await store.hset(books, in_books(entry_ids[1]), written(history).decode())
    scene = Scene(store)
    await scene.sweeper.sweep()
    taken = scene.taken()

    assert [entry.entry_id for entry in taken] == entry_ids
    assert [entry.history for entry in taken] == [History(), history]
    assert taken[0].fields[b"id"] == b"evt_dead_message.new_0"
    assert await pending(store) == dict.fromkeys(entry_ids, US)


@pytest.mark.parametrize("owner", ["live", "@park", US])
async def test_what_others_hold_for_a_reason_is_left(store: Redis, owner: str) -> None:
    """A long handler of a live worker, a parked entry, and what is in our own hands."""
    entry_ids = await held_by(store, owner)
    if owner == "live":
        await beat(store, owner)
    scene = Scene(store)
    await scene.sweeper.sweep()

    assert scene.taken() == []
    assert await pending(store) == dict.fromkeys(entry_ids, owner)


async def test_the_dead_are_told_from_the_living_one_by_one(store: Redis) -> None:
    """Each by its own heartbeat."""
    theirs = await held_by(store, "live")
    first = await held_by(store, "dead-1")
    second = await held_by(store, "dead-2")
    await beat(store, "live")
    scene = Scene(store)
    await scene.sweeper.sweep()

    assert {entry.entry_id for entry in scene.taken()} == {*first, *second}
    assert (await pending(store))[theirs[0]] == "live"


async def test_nothing_is_taken_over_while_a_missing_heartbeat_proves_nothing(
    store: Redis,
) -> None:
    """After an outage the heartbeats of the living have expired as well."""
    entry_ids = await held_by(store, "dead")
    scene = Scene(store, may=False)
    await scene.sweeper.sweep()
    before = scene.taken()
    scene.may = True
    await scene.sweeper.sweep()

    assert before == []
    assert [entry.entry_id for entry in scene.taken()] == entry_ids


async def test_taking_over_ends_when_the_store_is_lost_in_the_middle(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next page would be taken on a word that is no longer good."""
    await held_by(store, "dead", 150)
    scene = Scene(store, read_ahead=500)
    take_page = scene.sweeper._take_page

    async def take_once(*arguments: Any) -> Any:
        scene.may = False
        return await take_page(*arguments)

    monkeypatch.setattr(scene.sweeper, "_take_page", take_once)
    await scene.sweeper.sweep()

    assert len(scene.taken()) == 100


# --- how much


async def test_pages_follow_each_other_to_the_end(store: Redis) -> None:
    """The tail of a long list is reached as well."""
    entry_ids = await held_by(store, "dead", 350)
    scene = Scene(store, read_ahead=500)
    await scene.sweeper.sweep()

    assert [entry.entry_id for entry in scene.taken()] == entry_ids


async def test_no_more_is_taken_over_than_there_is_room_for(store: Redis) -> None:
    """The rest is there for others, or for the next time."""
    entry_ids = await held_by(store, "dead", 10)
    scene = Scene(store, concurrency=3, read_ahead=1)
    await scene.sweeper.sweep()
    first = scene.taken()
    await scene.sweeper.sweep()
    again = scene.taken()
    for entry in first:
        scene.house.rooms[0].let_go(entry)
    await scene.sweeper.sweep()

    assert [entry.entry_id for entry in first] == entry_ids[:7]
    assert again == []
    assert [entry.entry_id for entry in scene.taken()] == entry_ids[7:]


async def test_entries_that_are_not_idle_yet_do_not_hide_those_behind_them(store: Redis) -> None:
    """Which entries may be taken is the server's to say, not the page's."""
    entry_ids = await held_by(store, "dead", 150, idle_ms=0)
    await make_idle(store, "dead", entry_ids[120:], LONG_MS)
    scene = Scene(store, read_ahead=500)
    await scene.sweeper.sweep()

    assert [entry.entry_id for entry in scene.taken()] == entry_ids[120:]


async def test_every_stream_is_swept(store: Redis) -> None:
    """Equal entry ids of different types stay apart."""
    for name in ("a", "b"):
        await store.xadd(make_stream(name).key, {"of": name}, id="7-1")
        await read_as(store, "dead", make_stream(name))
        await make_idle(store, "dead", ["7-1"], LONG_MS, make_stream(name))
    scene = Scene(store, types=("a", "b"))
    await scene.sweeper.sweep()

    assert {(entry.stream.event_type, entry.fields[b"of"]) for entry in scene.taken()} == {
        ("a", b"a"),
        ("b", b"b"),
    }


async def test_a_deleted_entry_is_not_taken_over_and_not_left(store: Redis) -> None:
    """There is nothing to handle; its neighbours come all the same."""
    entry_ids = await held_by(store, "dead", 3)
    await store.xdel(STREAM.key, entry_ids[0])
    scene = Scene(store)
    await scene.sweeper.sweep()

    assert [entry.entry_id for entry in scene.taken()] == entry_ids[1:]
    assert list(await pending(store)) == entry_ids[1:]


async def test_a_stream_that_is_gone_is_passed_over(store: Redis) -> None:
    """The reader puts that right."""
    entry_ids = await held_by(store, "dead")
    scene = Scene(store, types=("gone", TYPE))
    await scene.sweeper.sweep()

    assert [entry.entry_id for entry in scene.taken()] == entry_ids


# --- several sweepers


async def test_of_two_sweepers_only_one_gets_an_entry(store: Redis) -> None:
    """Looking and taking are one step: what the other has just taken is not the dead one's."""
    entry_ids = await held_by(store, "dead", 5)
    one, other = Scene(store, consumer="one"), Scene(store, consumer="other")
    take_page = one.sweeper._take_page

    async def be_late(*arguments: Any) -> Any:
        await other.sweep_stream()
        return await take_page(*arguments)

    one.sweeper._take_page = be_late  # type: ignore[method-assign]
    await one.sweep_stream()

    assert one.taken() == []
    assert [entry.entry_id for entry in other.taken()] == entry_ids
    assert await pending(store) == dict.fromkeys(entry_ids, "other")


async def test_one_process_at_a_time_sweeps_a_tag(store: Redis) -> None:
    """Looking through a long list is work for the server."""
    await held_by(store, "dead")
    await store.set(KEYS.lease_sweep(TAG, GROUP), "other", px=LONG_MS)
    scene = Scene(store)
    await scene.sweeper.sweep()

    assert scene.taken() == []
    assert await store.get(KEYS.lease_sweep(TAG, GROUP)) == b"other"


async def test_the_lease_ends_by_itself_if_its_holder_dies(store: Redis) -> None:
    """A lease without an end would end taking over for ever."""
    await held_by(store, "dead")
    scene = Scene(store)
    left_ms: list[int] = []

    async def die(stream: Stream, room: object, turn: object) -> None:
        left_ms.append(await store.pttl(KEYS.lease_sweep(TAG, GROUP)))

    scene.sweeper._sweep_stream = die  # type: ignore[method-assign]
    await scene.sweeper.sweep()

    assert 0 < left_ms[0] <= 10_000


async def test_the_lease_is_given_back_for_the_next_turn(store: Redis) -> None:
    """Also when sweeping failed."""
    await held_by(store, "dead")
    scene = Scene(store)

    async def fail(stream: Stream, room: object, turn: object) -> None:
        raise ValueError

    scene.sweeper._sweep_stream = fail  # type: ignore[method-assign]
    with pytest.raises(ValueError):
        await scene.sweeper.sweep()

    assert not await store.exists(KEYS.lease_sweep(TAG, GROUP))


async def test_many_sweepers_take_each_entry_once(store: Redis) -> None:
    """Whoever comes first; none is left and none is taken twice."""
    entry_ids = await held_by(store, "dead", 60)
    scenes = [
        Scene(store, consumer=f"us-{number}", concurrency=5, read_ahead=0) for number in range(12)
    ]
    for scene in scenes:
        await scene.sweeper.sweep()
    await asyncio.gather(*(scene.sweeper.sweep() for scene in scenes))
    taken = [entry.entry_id for scene in scenes for entry in scene.taken()]

    assert sorted(taken) == sorted(entry_ids)


# --- trouble


async def test_a_full_server_lets_a_dead_workers_entries_be_taken_over(store: Redis) -> None:
    """Claiming needs no memory; a lease does, and goes without then."""
    entry_ids = await held_by(store, "dead", 2)
    scene = Scene(store)
    async with full(store):
        await scene.sweeper.sweep()

    assert [entry.entry_id for entry in scene.taken()] == entry_ids


async def test_a_lost_reply_has_the_pending_entries_compared(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the lost reply named is pending under us and in nobody's hands."""
    monkeypatch.setattr("consumers.sweep.SWEEP_SECONDS", 0.01)
    await held_by(store, "dead")
    scene = Scene(store)

    async def lost(*arguments: object) -> Any:
        raise RedisConnectionError

    monkeypatch.setattr(scene.sweeper, "_take_page", lost)
    with pytest.raises(RedisConnectionError):
        await scene.sweeper.run()

    assert scene.lost_replies == 1
