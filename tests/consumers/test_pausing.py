"""What is paused is left out of what is read, and what was read of it goes back."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.order.lanes import Lanes, make_room
from consumers.pausing import Pausing
from consumers.rooms import House, Room
from consumers.settle import Settler
from consumers.suspects.suspicion import Suspicion
from relay.contract.patterns import parse_pattern
from relay.contract.paused import Pause
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TYPE,
    append_events,
    due_times,
    fields_for,
    in_books,
    make_entry,
    make_handler,
    make_stream,
    pending,
    read_as,
    us,
)
from tests.consumers.waiting_long import make_again
from tests.waiting import wait_until

STREAM, OTHER = make_stream(), make_stream("email.new")


def paused(pattern: str = f"*:{TYPE}") -> Pause:
    """Say that our group is paused on some streams."""
    return Pause(group=GROUP, pattern=parse_pattern(pattern))


def house_of(**handler: object) -> tuple[House, Routes, Room]:
    """Make a house with one room, and routes to it from both streams."""
    house = House([make_handler(pattern="*:*", **handler)], make_room)
    routes = Routes(house.rooms, resting=house.resting)
    for stream in (STREAM, OTHER):
        routes.add(stream)
    return house, routes, house.rooms[0]


def held(house: House) -> list[HeldEntry]:
    """Give what is held back."""
    return [entry for _, entry in house.held_back]


def keys_of(routed: list[tuple[Stream, Room]]) -> list[str]:
    """Give the keys of routed streams."""
    return [stream.key for stream, _ in routed]


@pytest.mark.parametrize("order_by", [None, "account"])
def test_a_paused_stream_is_left_out_and_stays_known(order_by: str | None) -> None:
    """What is given again rests with its type; a stream that comes later rests at once."""
    _, routes, _ = house_of(order_by=order_by)
    rested, _ = routes.rest([paused()])
    routes.add(make_again())
    awake = keys_of(routes.shared + routes.ordered)
    _, resumed = routes.rest([])

    assert rested == {STREAM.key}
    assert awake == [OTHER.key]
    assert resumed == {STREAM.key, make_again().key}
    assert len(routes.streams) == 3
    assert set(keys_of(routes.shared + routes.ordered)) == set(routes.streams)


def test_what_comes_of_a_paused_stream_is_held_back_and_keeps_its_place() -> None:
    """Until the store has it; what comes beside it is lined up."""
    house, routes, room = house_of()
    routes.rest([paused()])
    late, other = make_entry("1-0"), make_entry("2-0", stream=OTHER)
    free = room.free
    for entry in (late, other):
        room.put(entry)

    assert held(house) == [late]
    assert room.free == free - 2
    assert room.drain() == [other]


def test_what_waits_is_looked_at_again_when_something_is_paused() -> None:
    """A suspect gives up its turn, and the others keep their order."""
    house, routes, room = house_of()
    entries = [make_entry(f"{n}-0", stream=stream) for n, stream in enumerate([OTHER, STREAM] * 3)]
    suspect = make_entry("9-0", suspicion=Suspicion(2, 0))
    for entry in (*entries, suspect):
        room.put(entry)
    assert house.begin_alone(room, suspect)
    routes.rest([paused()])
    room.line_up_anew(room.drain)

    assert held(house) == [*entries[1::2], suspect]
    assert room.drain() == entries[::2]
    assert house.begin_alone(room, suspect)


async def test_an_entry_of_a_paused_lane_does_not_begin() -> None:
    """It goes to the store's lane, with what comes behind it; what was given again goes back."""
    house, routes, room = house_of(order_by="account")
    assert isinstance(room, Lanes)
    routes.rest([paused()])
    first, second = (replace(make_entry(f"{n}-0"), lane="l") for n in (1, 2))
    again = make_entry("3-0", stream=make_again())
    house.resting.add(make_again().key)
    other = replace(make_entry("4-0", stream=OTHER), lane="l")
    for entry in (first, second, again, other):
        room.put(entry)

    assert await room.take() is other
    assert room.surplus(STREAM) == [first, second]
    assert held(house) == [again]


def test_a_paused_lane_is_emptied_at_once() -> None:
    """Also where no task is free to look at it."""
    house, routes, room = house_of(order_by="account")
    assert isinstance(room, Lanes)
    waiting = replace(make_entry("1-0"), lane="l")
    again = make_entry("3-0", stream=make_again())
    for entry in (waiting, again):
        room.put(entry)
    routes.rest([paused()])
    house.resting.add(make_again().key)
    room.line_up_anew(list)

    assert room.surplus(STREAM) == [waiting]
    assert held(house) == [again]


def pausing_for(store: Redis, house: House, routes: Routes, review: Callable[[], None]) -> Pausing:
    """Make the duty."""
    who = us(store)
    return Pausing(who, house=house, routes=routes, settler=Settler(who), review=review)


@pytest.mark.redis
async def test_what_is_held_back_is_due_at_once_in_the_store(store: Redis) -> None:
    """It is no attempt; and a claim that is heard of before that is taken in again."""
    (entry_id,) = await append_events(store, ["evt_1"])
    await read_as(store, "us")
    house, routes, room = house_of()
    room.put(make_entry(entry_id, fields=fields_for("evt_1")))
    pausing = pausing_for(store, house, routes, lambda: room.line_up_anew(room.drain))
    await store.hset(KEYS.paused, paused().field, "{}")
    await pausing.look()
    await pausing._hand_back()

    assert await pending(store) == {entry_id: "@park"}
    assert list(await due_times(store)) == [in_books(entry_id)]
    assert not house.holds(STREAM.key, entry_id)
    assert house.held_back == []


@pytest.mark.redis
async def test_a_claim_heard_of_while_it_is_handed_back_is_kept(store: Redis) -> None:
    """Resumed at that moment, this process may claim it again before it has let it go."""
    (entry_id,) = await append_events(store, ["evt_1"])
    await read_as(store, "us")
    house, routes, room = house_of()
    routes.rest([paused()])
    entry = make_entry(entry_id, fields=fields_for("evt_1"))
    room.put(entry)
    routes.rest([])
    claimed = replace(entry)
    room.put_claimed(claimed)
    await pausing_for(store, house, routes, lambda: None)._hand_back()

    assert room.drain() == [claimed]


@pytest.mark.redis
async def test_what_the_store_could_not_take_back_is_tried_again(store: Redis) -> None:
    """It keeps its place until then."""
    (entry_id,) = await append_events(store, ["evt_1"])
    await read_as(store, "us")
    house, routes, room = house_of()
    routes.rest([paused()])
    room.put(make_entry(entry_id, fields=fields_for("evt_1")))
    pausing = pausing_for(store, house, routes, lambda: None)
    hand_back = pausing._settler.hand_back

    async def away(_: object) -> None:
        raise ConnectionError

    pausing._settler.hand_back = away  # type: ignore[method-assign,assignment]
    with pytest.raises(ConnectionError):
        await pausing.run()
    left = pausing.left()
    pausing._settler.hand_back = hand_back  # type: ignore[method-assign]
    task = asyncio.create_task(pausing.run())
    await wait_until(lambda: not house.held_back, description="it is handed back")
    task.cancel()

    assert [entry.entry_id for entry in left] == [entry_id]
    assert await pending(store) == {entry_id: "@park"}


async def away(*_: object, **__: object) -> None:
    """Find a server away."""
    raise RedisConnectionError


@pytest.mark.redis
@pytest.mark.parametrize("server", ["valkey-cluster"], indirect=True)
async def test_what_was_paused_stays_so_while_the_server_of_the_pauses_is_away(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams on other servers go on, and new ones are found; it is said once."""
    _, routes, _ = house_of()
    pausing = pausing_for(store, House([], make_room), routes, lambda: None)
    await store.hset(KEYS.paused, paused().field, "{}")
    await pausing.look()
    monkeypatch.setattr(store, "hgetall", away)
    with capture_logs() as logs:
        await pausing.look()
        await pausing.look()

    assert keys_of(routes.shared) == [OTHER.key]
    assert [(line["event"], line["what"]) for line in logs] == [("skipped", KEYS.paused)]


@pytest.mark.redis
@pytest.mark.parametrize("server", ["valkey-cluster"], indirect=True)
async def test_nothing_is_begun_before_it_is_known_what_is_paused(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that starts while the server of the pauses is away must not run what is paused."""
    _, routes, _ = house_of()
    monkeypatch.setattr(store, "hgetall", away)
    pausing = pausing_for(store, House([], make_room), routes, lambda: None)

    for _ in range(2):
        with pytest.raises(RedisConnectionError):
            await pausing.look()
