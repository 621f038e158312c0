"""What a dead worker held is taken over, and what a live one holds is not."""

import asyncio
import random
from collections.abc import Iterable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from consumers import sweep
from consumers.dispatch import Routes
from consumers.entry import HeldEntry, History, written
from consumers.rooms import House
from consumers.suspects.suspicion import Suspicion
from consumers.sweep import Sweeper, _leave
from consumers.turn import Turn
from relay.contract import logs
from relay.contract.connect import text_of
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    US,
    append_events,
    consumers_of,
    fields_for,
    full,
    histories,
    in_books,
    make_entry,
    make_handler,
    make_stream,
    pending,
    read_as,
    strikes,
    us,
)
from tests.consumers.waiting_long import make_again
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
LONG_MS = 60_000
SWEEPERS = (US, "one", "other", *(f"us-{number}" for number in range(12)))


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


@pytest.fixture(autouse=True)
async def we_live(store: Redis) -> None:
    """Every process that sweeps has a heartbeat of its own."""
    for consumer in SWEEPERS:
        await beat(store, consumer)


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


async def test_nothing_is_taken_over_while_our_own_heartbeat_is_gone(store: Redis) -> None:
    """A machine that slept, or a store that was set back: the living have lost theirs as well."""
    entry_ids = await held_by(store, "living")
    await store.delete(KEYS.alive(GROUP, US))
    scene = Scene(store)
    await scene.sweeper.sweep()

    assert scene.taken() == []
    assert await pending(store) == dict.fromkeys(entry_ids, "living")


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


async def test_what_is_given_again_to_an_ordered_handler_is_taken_over(store: Redis) -> None:
    """It has no order to keep, so no owner of a stream would take it over."""
    stream = make_again()
    await store.xadd(stream.key, fields_for())  # type: ignore[arg-type]
    (entry_id,) = await read_as(store, "dead", stream)
    await make_idle(store, "dead", [entry_id], LONG_MS, stream)
    scene = Scene(store, order_by="account")
    scene.routes.add(stream)
    await scene.sweeper.sweep()

    assert [entry.entry_id for entry in scene.taken()] == [entry_id]
    assert await pending(store, stream) == {entry_id: US}


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


async def test_it_goes_on_as_soon_as_room_is_regained(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand entries by a roomful every two seconds would take half an hour."""
    entry_ids = await held_by(store, "dead", 100)
    scene = Scene(store, concurrency=3, read_ahead=0)
    came: list[str] = []
    await scene.sweeper.sweep()
    monkeypatch.setattr("consumers.sweep.SWEEP_SECONDS", 60)
    running = asyncio.create_task(scene.sweeper.run())

    def handle() -> bool:
        for entry in scene.taken():
            came.append(entry.entry_id)
            scene.house.rooms[0].let_go(entry)
        return len(came) == len(entry_ids)

    await wait_until(handle, description="all came")
    running.cancel()

    assert came == entry_ids


async def test_it_does_not_go_on_before_there_is_room_worth_it(store: Redis) -> None:
    """A few commands for each single entry would be a burden to the store."""
    entry_ids = await held_by(store, "dead", 30)
    scene = Scene(store, concurrency=10, read_ahead=0)
    await scene.sweeper.sweep()
    refill = scene.sweeper._refill
    regained = []
    for entry in scene.taken()[:5]:
        regained.append(refill._regained.is_set())
        scene.house.rooms[0].let_go(entry)

    assert len(entry_ids) == 30
    assert regained == [False] * 5
    assert refill._regained.is_set()


async def test_a_room_that_is_regained_for_nothing_does_not_send_it_round(store: Redis) -> None:
    """The store was lost meanwhile, or another took the rest."""
    await held_by(store, "dead", 10)
    scene = Scene(store, concurrency=2, read_ahead=0)
    await scene.sweeper.sweep()
    for entry in scene.taken():
        scene.house.rooms[0].let_go(entry)
    first = await scene.sweeper._refill.wait(5)
    scene.may = False
    await scene.sweeper.go_on()

    assert first
    assert not scene.sweeper._refill._regained.is_set()


async def test_where_another_has_the_turn_it_looks_again_soon(store: Redis) -> None:
    """There is room, and more to take: waiting for the next regular look would waste both."""
    entry_ids = await held_by(store, "dead", 8)
    scene = Scene(store, concurrency=2, read_ahead=0)
    await scene.sweeper.sweep()
    for entry in scene.taken():
        scene.house.rooms[0].let_go(entry)
    await store.set(KEYS.lease_sweep(TAG, GROUP), "other", px=LONG_MS)
    await scene.sweeper.go_on()
    during = scene.taken()
    await store.delete(KEYS.lease_sweep(TAG, GROUP))
    assert await scene.sweeper._refill.wait(5)
    await scene.sweeper.go_on()

    assert during == []
    assert [entry.entry_id for entry in scene.taken()] == entry_ids[4:]


async def test_large_entries_come_in_smaller_pages(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred of ten MiB in one reply would be more than a process may hold."""
    monkeypatch.setattr("consumers.sweep.PAGE_BYTES", 1000)
    entry_ids = await held_by(store, "dead", 20)
    scene = Scene(store)
    start, count = await scene.sweeper._take_page(STREAM, scene.house.rooms[0], "dead", "-", 100)
    await scene.sweeper.sweep()

    assert start is not None
    assert 0 < count < 10
    assert len(scene.taken()) == len(entry_ids)


# --- several sweepers


async def test_of_two_sweepers_only_one_gets_an_entry(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking and taking are one step: what the other has just taken is not the dead one's."""
    entry_ids = await held_by(store, "dead", 5)
    one, other = Scene(store, consumer="one"), Scene(store, consumer="other")
    take_page = one.sweeper._take_page

    async def be_late(*arguments: Any) -> Any:
        await other.sweep_stream()
        return await take_page(*arguments)

    monkeypatch.setattr(one.sweeper, "_take_page", be_late)
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


async def test_a_lease_is_renewed_while_its_holder_sweeps(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long list takes longer than a lease lasts."""
    monkeypatch.setattr("consumers.turn.RENEWED_AFTER", 0.0)
    lease = KEYS.lease_sweep(TAG, GROUP)
    turn = Turn(us(store), lease, LONG_MS)
    await turn.take()
    await store.pexpire(lease, 100)
    kept = await turn.keep()

    assert kept
    assert await store.pttl(lease) > 1000


async def test_a_lease_that_is_anothers_is_neither_renewed_nor_given_back(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended while we stood still; the other must not lose it by us."""
    monkeypatch.setattr("consumers.turn.RENEWED_AFTER", 0.0)
    lease = KEYS.lease_sweep(TAG, GROUP)
    turn = Turn(us(store), lease, 1000)
    await turn.take()
    await store.set(lease, "other", px=5000)
    kept = [await turn.keep(), await turn.keep()]
    await turn.give_back()

    assert kept == [False, False]
    assert await store.get(lease) == b"other"


async def test_a_sweep_ends_where_its_lease_is_anothers(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that go on side by side would be twice the work for the store."""
    monkeypatch.setattr("consumers.turn.RENEWED_AFTER", 0.0)
    await held_by(store, "dead", 150)
    scene = Scene(store, read_ahead=500)
    take_page = scene.sweeper._take_page

    async def lose(*arguments: Any) -> Any:
        await store.set(KEYS.lease_sweep(TAG, GROUP), "other", px=LONG_MS)
        return await take_page(*arguments)

    monkeypatch.setattr(scene.sweeper, "_take_page", lose)
    await scene.sweeper.sweep()

    assert len(scene.taken()) == 100


# --- what is counted


async def test_every_takeover_is_counted(store: Redis) -> None:
    """From the second on the entry is a suspect; it knows so when it comes."""
    (entry_id,) = await held_by(store, "dead")
    suspicions = []
    for number in range(1, 4):
        scene = Scene(store, consumer=f"us-{number}")
        await scene.sweeper.sweep()
        (entry,) = scene.taken()
        suspicions.append(entry.suspicion)
        await make_idle(store, f"us-{number}", [entry_id], LONG_MS)
        await store.delete(KEYS.alive(GROUP, f"us-{number}"))

    assert suspicions == [Suspicion(1, 0), Suspicion(2, 0), Suspicion(3, 0)]
    assert await strikes(store) == {in_books(entry_id): "3 0"}


async def test_a_takeover_keeps_the_strikes(store: Redis) -> None:
    """They are what the dead process left behind."""
    (entry_id,) = await held_by(store, "dead")
    await store.hset(KEYS.strikes(TAG, GROUP), in_books(entry_id), "4 2")
    scene = Scene(store)
    await scene.sweeper.sweep()
    (entry,) = scene.taken()

    assert entry.suspicion == Suspicion(5, 2)


async def test_what_nobody_can_read_in_the_book_begins_anew(store: Redis) -> None:
    """A field that something else has written must not end taking over."""
    (entry_id,) = await held_by(store, "dead")
    await store.hset(KEYS.strikes(TAG, GROUP), in_books(entry_id), "x")
    scene = Scene(store)
    await scene.sweeper.sweep()

    assert [entry.suspicion for entry in scene.taken()] == [Suspicion(1, 0)]


@pytest.mark.parametrize("book", [KEYS.strikes(TAG, GROUP), KEYS.attempts(TAG, GROUP)])
async def test_a_book_of_a_wrong_type_stops_taking_over_and_nothing_is_half_done(
    store: Redis, book: str
) -> None:
    """What cannot be counted could be poison for ever; it is said once, and goes on when mended."""
    entry_ids = await held_by(store, "dead", 2)
    await store.set(book, "x", px=LONG_MS)
    scene = Scene(store)
    with capture_logs() as logs:
        await scene.sweeper.sweep()
        await scene.sweeper.sweep()
    held = await pending(store)
    await store.delete(book)
    await scene.sweeper.sweep()

    assert [(line["event"], line["error"]) for line in logs] == [("skipped", "WRONGTYPE")]
    assert held == dict.fromkeys(entry_ids, "dead")
    assert [entry.entry_id for entry in scene.taken()] == entry_ids


async def test_what_the_books_know_of_a_deleted_entry_goes_with_it(store: Redis) -> None:
    """Nobody would ever clear it."""
    entry_ids = await held_by(store, "dead", 2)
    for book in (KEYS.strikes(TAG, GROUP), KEYS.attempts(TAG, GROUP)):
        await store.hset(book, in_books(entry_ids[0]), "1 0")
    await store.xdel(STREAM.key, entry_ids[0])
    scene = Scene(store)
    await scene.sweeper.sweep()

    assert await strikes(store) == {in_books(entry_ids[1]): "1 0"}
    assert await histories(store) == {}
    assert list(await pending(store)) == entry_ids[1:]


async def test_books_that_are_lost_cost_no_entry(store: Redis) -> None:
    """What is known of it begins anew."""
    entry_ids = await held_by(store, "dead", 2)
    await store.hset(KEYS.strikes(TAG, GROUP), in_books(entry_ids[0]), "4 2")
    await store.delete(KEYS.strikes(TAG, GROUP))
    scene = Scene(store)
    await scene.sweeper.sweep()

    assert [entry.suspicion for entry in scene.taken()] == [Suspicion(1, 0)] * 2


# --- ordered streams, and names that nobody uses any more


async def test_an_ordered_streams_entries_are_left_to_its_reader(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking some of them over would break their order; the names of the dead go all the same."""
    monkeypatch.setattr("consumers.sweep.FORGOTTEN_MS", -1)
    entry_ids = await held_by(store, "dead")
    await forgotten(store, "long-dead")
    scene = Scene(store, order_by="account")
    await scene.sweeper.sweep()

    assert scene.taken() == []
    assert await pending(store) == dict.fromkeys(entry_ids, "dead")
    assert "long-dead" not in await consumers_of(store)


async def forgotten(store: Redis, *names: str) -> None:
    """Have consumers that read once, settled that, and died."""
    for name in names:
        await store.xgroup_createconsumer(STREAM.key, GROUP, name)


async def test_the_names_of_the_dead_do_not_pile_up(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred processes that were killed leave none behind, once they are long dead."""
    names = [f"dead-{number}" for number in range(200)]
    (entry_id,) = await held_by(store, "holding")
    await forgotten(store, *names, "live", "@park")
    await beat(store, "live")
    scene = Scene(store, concurrency=1, read_ahead=0)
    scene.house.rooms[0].put(make_entry("1-0"))
    scene.house.rooms[0].put(make_entry("2-0"))
    await scene.sweeper.sweep()
    young = await consumers_of(store)
    monkeypatch.setattr("consumers.sweep.FORGOTTEN_MS", -1)
    await scene.sweeper.sweep()

    assert young == {*names, "live", "@park", "holding"}
    assert await consumers_of(store) == {"live", "@park", "@left", "holding"}
    assert await pending(store) == {entry_id: "holding"}


async def test_a_read_that_races_the_removal_loses_nothing(store: Redis) -> None:
    """A thousand times: what the consumer was given is pending under it, or still unread."""
    await append_events(store, ["evt_0"])
    await read_as(store, "slow")
    expected = set(await pending(store))
    await store.xack(STREAM.key, GROUP, *expected)
    for _ in range(1000):
        entry_id = text_of(await store.xadd(STREAM.key, {"x": "y"}))
        pair = (
            store.xreadgroup(GROUP, "slow", {STREAM.key: ">"}),
            _leave(store, [STREAM.key], GROUP, "slow"),
        )
        await asyncio.gather(*(pair if random.random() < 0.5 else pair[::-1]))
        held = await pending(store)

        assert held == {entry_id: "slow"}
        await store.xack(STREAM.key, GROUP, entry_id)


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
    running = asyncio.create_task(scene.sweeper.run())
    await wait_until(lambda: scene.lost_replies > 0, description="a reply is lost")
    # In a cluster it goes on with what other servers have.
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert scene.lost_replies


async def test_what_is_taken_over_as_the_worker_ends_is_heard_of(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be taken over once more, and a second time makes a suspect."""
    (entry_id,) = await held_by(store, "dead")
    scene = Scene(store)
    take, claimed, answered = sweep._take, asyncio.Event(), asyncio.Event()

    async def slowly(*call: Any) -> Any:
        reply = await take(*call)
        claimed.set()
        await answered.wait()
        return reply

    monkeypatch.setattr(sweep, "_take", slowly)
    sweeping = asyncio.create_task(scene.sweeper.sweep())
    await claimed.wait()
    sweeping.cancel()
    await asyncio.sleep(0)
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await sweeping

    assert [entry.entry_id for entry in scene.taken()] == [entry_id]


async def test_each_entry_has_its_line_where_that_is_wanted(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose it is and who had it; it is counted in any case."""
    (entry_id,) = await held_by(store, "dead")
    monkeypatch.setattr(logs, "debugging", True)
    scene = Scene(store)
    with capture_logs() as lines:
        await scene.sweeper.sweep()
    (line,) = (line for line in lines if line["event"] == "entry_taken_over")

    assert (line["entry_id"], line["event_id"]) == (entry_id, "evt_dead_message.new_0")
    assert (line["dead"], line["group"]) == ("dead", GROUP)
    assert [row[2] for row in scene.us.record.tally(GROUP).counters] == [1.0]
