"""What a process holds, and how much of it."""

import asyncio

import pytest

from consumers import rooms
from consumers.entry import HeldEntry
from consumers.rooms import House
from consumers.suspects.suspicion import Suspicion
from consumers.worker import Batch
from relay.contract.duties import cancel
from relay.contract.stream import Stream
from tests.consumers.making import make_entry, make_handler, make_room, make_stream
from tests.waiting import wait_until


def test_a_room_is_as_large_as_concurrency_and_read_ahead_together() -> None:
    """So many entries may be read and not settled."""
    room = make_room(make_handler(concurrency=2, read_ahead=3))

    assert room.free == 5


def test_a_room_for_batches_holds_as_many_as_run_at_once() -> None:
    """Else no batch but the first could ever fill."""
    room = make_room(make_handler(concurrency=2, read_ahead=3, batch=Batch(50, 1.0)))

    assert room.free == 103
    assert room.free_for_claims == 203


def test_an_entry_keeps_its_place_until_it_is_let_go() -> None:
    """Taking it to be handled frees nothing."""
    room = make_room(make_handler(concurrency=1, read_ahead=1))
    entry = make_entry()
    room.put(entry)
    drained = room.drain()

    assert drained == [entry]
    assert room.free == 1
    room.let_go(entry)
    assert room.free == 2


def test_an_entry_that_is_held_is_not_taken_in_again() -> None:
    """It would be handled twice by the same process."""
    room = make_room()
    room.put(make_entry("1-0"))
    room.put(make_entry("1-0"))

    assert len(room.drain()) == 1
    assert room.free == 109


def test_equal_entry_ids_of_two_streams_are_two_entries() -> None:
    """An entry id is unique only within its stream."""
    house = House([make_handler(pattern="unipile:*")])
    (room,) = house.rooms
    room.put(make_entry("1-0", stream=make_stream("a")))
    room.put(make_entry("1-0", stream=make_stream("b")))

    assert len(room.drain()) == 2
    assert house.holds(make_stream("a").key, "1-0")
    assert not house.holds(make_stream("c").key, "1-0")


def test_letting_go_twice_frees_one_place() -> None:
    """Otherwise the room would grow by each mistake."""
    room = make_room(make_handler(concurrency=1, read_ahead=1))
    entry = make_entry()
    room.put(entry)
    room.let_go(entry)
    room.let_go(entry)

    assert room.free == 2


def test_regained_room_is_told() -> None:
    """A read that left the room's streams out must be ended."""
    house = House([make_handler()])
    told: list[int] = []
    house.on_room.append(lambda: told.append(house.rooms[0].free))
    entry = make_entry()
    house.rooms[0].put(entry)
    house.rooms[0].let_go(entry)
    house.rooms[0].let_go(entry)

    assert told == [110]


def test_a_room_that_overflowed_has_nothing_free() -> None:
    """Recovered entries come in whatever the room; nothing more is read then."""
    room = make_room(make_handler(concurrency=1, read_ahead=0))
    room.put(make_entry("1-0"))
    room.put(make_entry("2-0"))

    assert room.free == 0


def test_large_bodies_fill_their_own_room_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each handler has its part of the process's bound, so that none starves the others."""
    monkeypatch.setattr(rooms, "MAX_HELD_BYTES", 1000)
    house = House([make_handler(pattern="a:*"), make_handler(pattern="b:*")])
    large = make_entry("1-0", fields={b"data": b"x" * 1000})
    house.rooms[0].put(large)

    assert [room.free for room in house.rooms] == [0, 110]
    house.rooms[0].let_go(large)
    assert [room.free for room in house.rooms] == [110, 110]


async def test_entries_are_taken_in_the_order_of_their_coming() -> None:
    """The oldest waits the least."""
    room = make_room()
    for number in (3, 1, 2):
        room.put(make_entry(f"{number}-0"))

    assert [(await room.take()).entry_id for _ in range(3)] == ["3-0", "1-0", "2-0"]


async def test_every_lane_that_waits_gets_an_entry() -> None:
    """One arrival wakes all that wait, and only one of them has it."""
    room = make_room()
    lanes = [asyncio.create_task(room.take()) for _ in range(3)]
    await asyncio.sleep(0)
    room.put(make_entry("1-0"))
    await wait_until(lambda: any(lane.done() for lane in lanes), description="a lane has it")
    assert [lane.done() for lane in lanes].count(True) == 1
    room.put(make_entry("2-0"))
    room.put(make_entry("3-0"))
    entries = await asyncio.gather(*lanes)

    assert {entry.entry_id for entry in entries} == {"1-0", "2-0", "3-0"}


def test_claims_have_places_of_their_own() -> None:
    """A backlog fills every place for reading; retries must not wait for its end."""
    room = make_room()
    for number in range(1, 111):
        room.put(make_entry(f"{number}-0"))

    assert room.free == 0
    assert room.free_for_claims == 10
    for number in range(200, 210):
        room.put_claimed(make_entry(f"{number}-0"))
    assert room.free_for_claims == 0


async def test_an_entry_claimed_before_it_was_let_go_is_taken_in_again() -> None:
    """It was parked and due again before the lane heard of it; nobody else would ever look."""
    room = make_room()
    entry = make_entry("1-0")
    room.put(entry)
    assert await room.take() is entry
    room.gives_up(entry)
    claimed = make_entry("1-0")
    room.put_claimed(claimed)
    room.let_go(entry)

    assert await room.take() is claimed
    room.let_go(claimed)
    assert room.free == 110


@pytest.mark.parametrize("kept", [False, True])
async def test_an_entry_claimed_while_it_is_handled_has_no_second_run(kept: bool) -> None:  # noqa: FBT001 - a case
    """Its claim was heard of late, or it was another's for a while: one run is enough."""
    room = make_room()
    entry = make_entry("1-0")
    room.put(entry)
    if kept:
        room.gives_up(entry)
        room.put_claimed(make_entry("1-0"))
        room.keeps(entry)
    room.put_claimed(make_entry("1-0"))
    assert await room.take() is entry
    room.let_go(entry)

    assert room.drain() == []
    assert room.free == 110


# --- suspects


def suspect(
    entry_id: str, takeovers: int = 2, strikes: int = 0, stream: Stream | None = None
) -> HeldEntry:
    """Make an entry that was taken over before."""
    return make_entry(entry_id, stream=stream, suspicion=Suspicion(takeovers, strikes))


async def test_one_suspect_at_a_time_is_given_out_and_others_beside_it() -> None:
    """What runs beside it must not wait for it, and the next suspect must."""
    room = make_room()
    first, second = suspect("1-0"), suspect("2-0")
    for entry in (first, second, make_entry("3-0"), make_entry("4-0")):
        room.put(entry)
    taken = [await room.take() for _ in range(3)]
    waiting = asyncio.create_task(room.take())
    await asyncio.sleep(0)

    assert [entry.entry_id for entry in taken] == ["1-0", "3-0", "4-0"]
    assert not waiting.done()
    room.end_alone(first)
    assert await waiting is second


async def test_the_suspects_of_all_handlers_share_one_turn() -> None:
    """Two at once could not be told apart when the process dies."""
    house = House([make_handler(pattern="a:*"), make_handler(pattern="b:*")])
    one, other = house.rooms
    first, second = suspect("1-0"), suspect("2-0")
    one.put(first)
    other.put(second)
    assert await one.take() is first
    waiting = asyncio.create_task(other.take())
    await asyncio.sleep(0)

    assert not waiting.done()
    one.let_go(first)
    assert await waiting is second


async def test_a_suspect_has_its_turn_where_the_one_before_it_is_paused() -> None:
    """It stood back for another room's, which nobody runs now."""
    house = House([make_handler(pattern="a:*"), make_handler(pattern="b:*")])
    one, other = house.rooms
    first, second = suspect("1-0"), suspect("2-0")
    one.put(first)
    one.let_go(await one.take())
    lanes = [asyncio.create_task(room.take()) for room in (one, other)]
    await asyncio.sleep(0)
    one.put(second)

    def pause() -> None:
        house.resting.add(third.stream.key)
        other.line_up_anew(other.drain)

    third = suspect("3-0", stream=make_stream("paused"))
    asyncio.get_running_loop().call_soon(pause)
    other.put(third)

    assert await asyncio.wait_for(lanes[0], 5) is second
    await cancel(lanes)


async def test_rooms_with_suspects_take_turns() -> None:
    """A handler with many of them does not keep the others from theirs."""
    house = House([make_handler(pattern="a:*"), make_handler(pattern="b:*")])
    one, other = house.rooms
    first = suspect("1-0")
    for entry in (first, suspect("2-0"), suspect("3-0")):
        one.put(entry)
    taken = await one.take()
    waiting = asyncio.create_task(other.take())
    await asyncio.sleep(0)
    other.put(suspect("4-0"))

    async def lane() -> HeldEntry:
        # As a lane does, without a pause in which another could be quicker.
        one.end_alone(taken)
        return await one.take()

    again = asyncio.create_task(lane())
    await wait_until(lambda: waiting.done() or again.done(), description="one has its turn")

    assert not again.done()
    again.cancel()
    assert (await waiting).entry_id == "4-0"


async def test_what_is_taken_over_once_or_convicted_waits_for_no_turn() -> None:
    """Once may be chance, and what is not run harms nobody."""
    room = make_room()
    for entry in (suspect("1-0"), suspect("2-0", takeovers=1), suspect("3-0", strikes=3)):
        room.put(entry)

    assert [(await room.take()).entry_id for _ in range(3)] == ["1-0", "2-0", "3-0"]


async def test_ending_another_entrys_turn_ends_none() -> None:
    """Every lane says it of every entry."""
    room = make_room()
    room.put(suspect("1-0"))
    room.put(suspect("2-0"))
    await room.take()
    room.end_alone(make_entry("9-0"))
    waiting = asyncio.create_task(room.take())
    await asyncio.sleep(0)

    assert not waiting.done()
    waiting.cancel()


def test_suspects_that_no_lane_has_taken_are_given_up_as_well() -> None:
    """At the end others get them."""
    room = make_room()
    room.put(suspect("1-0"))
    room.put(make_entry("2-0"))

    assert {entry.entry_id for entry in room.drain()} == {"1-0", "2-0"}
    assert room.drain() == []


def test_several_may_watch_what_is_let_go() -> None:
    """Readers of several tags compare at the same time, each with what it has asked for."""
    room = make_room()
    for entry_id in ("1-0", "2-0"):
        room.put(make_entry(entry_id))
    key = make_stream().key
    with room._house.watching() as first:
        with room._house.watching() as second:
            room.let_go(make_entry("1-0"))
        room.let_go(make_entry("2-0"))

    assert (first, second) == ({(key, "1-0"), (key, "2-0")}, {(key, "1-0")})
