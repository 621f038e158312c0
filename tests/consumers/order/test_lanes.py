"""The room of an ordered handler: one entry of a lane at a time, the others in their order."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consumers.entry import HeldEntry
from consumers.lease import Lease
from consumers.order.lanes import SLOW_SECONDS, Lanes
from consumers.rooms import House
from consumers.suspects.suspicion import Suspicion
from tests.consumers.making import make_entry, make_handler, make_stream
from tests.consumers.waiting_long import make_again

STREAM = make_stream()


class Clock:
    """Time that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def make_lanes(clock: Clock | None = None, **handler: Any) -> Lanes:
    """Make the room of one ordered handler, in a house of its own."""
    made = make_handler(order_by="account", **handler)
    house = House([made], lambda handler, house: Lanes(handler, house, clock or Clock()))
    (room,) = house.rooms
    assert isinstance(room, Lanes)
    return room


def entry(number: int, lane: str = "a", lease: Lease | None = None) -> HeldEntry:
    """Make an entry of a lane."""
    made = make_entry(f"{number}-0")
    return replace(made, lane=lane, lease=lease or made.lease)


def taken(lanes: Lanes) -> list[HeldEntry]:
    """Take every entry that may be handled now."""
    found = []
    while (one := lanes._next()) is not None:
        found.append(one)
    return found


async def test_an_entry_waits_for_the_one_before_it_in_its_lane() -> None:
    """Another lane's entry does not wait."""
    lanes = make_lanes()
    first, second, other = entry(1), entry(2), entry(3, "b")
    for one in (first, second, other):
        lanes.put(one)
    assert [await lanes.take(), await lanes.take()] == [first, other]
    waiting = asyncio.create_task(lanes.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    lanes.let_go(first)

    assert await waiting is second


async def test_a_suspect_waits_for_its_turn_and_the_other_lanes_go_on() -> None:
    """Of all the process's suspects one runs at a time; what is behind it in its lane waits too."""
    lanes = make_lanes()
    one, other = suspect(1), suspect(2, "b")
    for each in (one, other, entry(3, "b"), entry(4, "c")):
        lanes.put(each)
    begun = taken(lanes)
    waiting = asyncio.create_task(lanes.take())
    await asyncio.sleep(0)
    denied = lanes.waits_for_turn
    lanes.let_go(one)

    assert [each.entry_id for each in begun] == ["1-0", "4-0"]
    assert denied
    assert await waiting is other
    lanes.let_go(other)
    assert [each.entry_id for each in taken(lanes)] == ["3-0"]


def suspect(number: int, lane: str = "a") -> HeldEntry:
    """Make an entry of a lane that was taken over twice."""
    return replace(entry(number, lane), suspicion=Suspicion(2, 0))


def test_a_suspect_that_was_not_begun_is_the_next_of_its_lane_again() -> None:
    """Its strike could not be written; those behind it must not overtake it."""
    lanes = make_lanes()
    one = suspect(1)
    for each in (one, entry(2)):
        lanes.put(each)
    assert taken(lanes) == [one]
    lanes.end_alone(one)
    lanes.line_up_again(one)

    assert taken(lanes) == [one]


def test_what_is_given_again_is_begun_whatever_its_lease_says() -> None:
    """No owner of a stream would find out; it is settled by whoever has it, as without order."""
    lanes = make_lanes()
    given_again = replace(make_entry(stream=make_again()), lease=Lease(lambda: True))
    lanes.put(given_again)

    assert taken(lanes) == [given_again]


def test_what_is_behind_a_parked_entry_goes_to_the_store() -> None:
    """Also what is read later; the lane asks the store when the parked one is due."""
    clock = Clock()
    lanes = make_lanes(clock)
    first, second, third = entry(1), entry(2), entry(3)
    lanes.put(first)
    lanes.put(second)
    assert taken(lanes) == [first]
    lanes.parked(first, 5.0)
    lanes.let_go(first)
    lanes.put(third)
    surplus = lanes.surplus(STREAM)
    assert surplus == [second, third]
    assert lanes.wanting(10) == []
    lanes.put_away(STREAM, surplus)
    assert lanes.next_due_seconds() == 5.0
    clock.now = 5.0

    (lane,) = lanes.wanting(10)
    assert lane.name == "a"
    assert lanes.free == make_lanes(clock).free


def test_an_entry_of_which_more_is_known_after_its_run_is_the_same() -> None:
    """A failed one comes back with its history; its lane must not wait for it for ever."""
    clock = Clock()
    lanes = make_lanes(clock)
    first, second = entry(1), entry(2)
    lanes.put(first)
    lanes.put(second)
    assert taken(lanes) == [first]
    lanes.parked(first.seen(7.0), 5.0)
    lanes.let_go(first.seen(7.0))

    assert lanes.surplus(STREAM) == [second]
    lanes.put_away(STREAM, [second])
    assert lanes.next_due_seconds() == 5.0


def test_a_lane_does_not_ask_while_something_is_on_its_way_to_the_store() -> None:
    """Else the store would say that it has nothing, and what is read then would overtake."""
    lanes = make_lanes()
    lanes.put(entry(1))
    lanes.put(entry(2))
    (first,) = taken(lanes)
    lanes.parked(first, 0.0)
    lanes.let_go(first)

    assert lanes.wanting(10) == []


def test_a_lane_is_free_again_when_the_store_has_no_more() -> None:
    """What is read then stands behind what came from the store."""
    lanes = make_lanes()
    lanes.waits_in_store(STREAM, "a")
    (lane,) = lanes.wanting(10)
    lanes.drawn(lane, [entry(1), entry(2)], 0.0, more=False)
    lanes.put(entry(3))
    order = []
    for _ in range(3):
        (one,) = taken(lanes)
        order.append(one.entry_id)
        lanes.let_go(one)

    assert order == ["1-0", "2-0", "3-0"]


def test_a_lane_that_got_no_answer_asks_again() -> None:
    """The answer was lost, or the store has refused."""
    lanes = make_lanes()
    lanes.waits_in_store(STREAM, "a")
    (lane,) = lanes.wanting(10)
    assert lanes.wanting(10) == []
    lanes.ask_all(STREAM)

    assert lanes.wanting(10) == [lane]


def test_slow_lanes_make_room_where_others_could_work() -> None:
    """What stands behind a slow entry goes to the store; a quick one's followers stay."""
    clock = Clock()
    lanes = make_lanes(clock, concurrency=2, read_ahead=2)
    for number in range(1, 5):
        lanes.put(entry(number))
    (first,) = taken(lanes)
    lanes.make_room()
    assert lanes.surplus(STREAM) == []
    clock.now = SLOW_SECONDS
    lanes.make_room()

    assert [one.entry_id for one in lanes.surplus(STREAM)] == ["2-0", "3-0", "4-0"]
    assert first.entry_id == "1-0"


def test_nothing_goes_to_the_store_where_every_task_is_busy() -> None:
    """More room would help nobody."""
    clock = Clock()
    lanes = make_lanes(clock, concurrency=1, read_ahead=3)
    for number in range(1, 5):
        lanes.put(entry(number))
    taken(lanes)
    clock.now = 60.0
    lanes.make_room()

    assert lanes.surplus(STREAM) == []


def test_nothing_is_begun_while_the_stream_may_have_another_owner() -> None:
    """It is looked at again when the ownership was renewed."""
    lost = True
    lanes = make_lanes()
    lanes.put(entry(1, lease=Lease(lambda: lost, 7)))
    assert taken(lanes) == []
    lost = False
    lanes.stand_up()

    assert [one.entry_id for one in taken(lanes)] == ["1-0"]


def test_a_lost_stream_leaves_nothing_but_what_is_being_handled() -> None:
    """Its places are free again, and a late end of the running entry changes nothing."""
    lanes = make_lanes()
    for number in range(1, 4):
        lanes.put(entry(number))
    other = entry(9, "b")
    lanes.put(other)
    first, _ = taken(lanes)
    lanes.parked(other, 1.0)
    lanes.lose(STREAM)
    lanes.let_go(first)
    lanes.let_go(other)

    assert lanes.free == make_lanes().free
    assert lanes.drain() == []
    assert lanes.wanting(10) == []


def test_drained_are_those_that_wait_here_and_on_their_way_to_the_store() -> None:
    """What is handled is not among them."""
    lanes = make_lanes()
    for number in range(1, 4):
        lanes.put(entry(number))
    (first,) = taken(lanes)
    lanes.parked(first, 1.0)
    lanes.put(entry(4, "b"))

    assert {one.entry_id for one in lanes.drain()} == {"2-0", "3-0", "4-0"}


class StoredLanes:
    """The store's lanes in memory, and a handler that fails where it is told.

    Args:
        lanes: The room.
    """

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.waiting: dict[str, dict[int, HeldEntry]] = defaultdict(dict)
        self.busy: list[HeldEntry] = []
        self.done: dict[str, list[int]] = defaultdict(list)
        self.read = 0

    def step(self, choice: int, lane: str, *, fails: bool) -> None:
        """Do one of the things that may happen next."""
        match choice:
            case 0:
                self._read(lane)
            case 1:
                self._begin()
            case 2 | 3:
                self._end(lane, fails=fails)
            case 4:
                self._put_away()
            case _:
                self._draw()

    def _read(self, lane: str) -> None:
        self.read += 1
        self.lanes.put(entry(self.read, lane))

    def _begin(self) -> None:
        one = self.lanes._next()
        self.busy += [] if one is None else [one]

    def _end(self, lane: str, *, fails: bool) -> None:
        mine = [one for one in self.busy if one.lane == lane]
        for one in mine:
            self.busy.remove(one)
            number = int(one.entry_id.partition("-")[0])
            if fails:
                self.waiting[lane][number] = one
                self.lanes.parked(one, 0.0)
            else:
                self.done[lane].append(number)
            self.lanes.let_go(one)

    def _put_away(self) -> None:
        surplus = self.lanes.surplus(STREAM)
        for one in surplus:
            self.waiting[one.lane][int(one.entry_id.partition("-")[0])] = one
        if surplus:
            self.lanes.put_away(STREAM, surplus)

    def _draw(self) -> None:
        self._put_away()
        for lane in self.lanes.wanting(2):
            numbers = sorted(self.waiting[lane.name])[:2]
            entries = [self.waiting[lane.name].pop(number) for number in numbers]
            more = bool(self.waiting[lane.name])
            self.lanes.drawn(lane, entries, 0.0, more=more)

    def finish(self) -> None:
        """Let everything that was read succeed."""
        for _ in range(4 * self.read + 4):
            self._draw()
            self._begin()
            for lane in {one.lane for one in self.busy}:
                self._end(lane, fails=False)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.booleans()), max_size=120))
def test_whatever_happens_each_lane_keeps_its_order(
    steps: list[tuple[int, str, bool]],
) -> None:
    """For any interleaving of reads, runs, failures, and ways to the store and back."""
    stored = StoredLanes(make_lanes())
    for choice, lane, fails in steps:
        stored.step(choice, lane, fails=fails)
    stored.finish()

    assert all(numbers == sorted(set(numbers)) for numbers in stored.done.values())
    assert sum(map(len, stored.done.values())) == stored.read


@pytest.mark.parametrize("lane", ["", "a"])
def test_what_has_no_order_does_not_wait(lane: str) -> None:
    """Entries without a lane's name stand alone; those with one stand in line."""
    lanes = make_lanes()
    for number in (1, 2):
        lanes.put(entry(number, lane))

    assert len(taken(lanes)) == (1 if lane else 2)
