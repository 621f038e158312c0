"""A handler that may begin only so many runs in a time."""

import asyncio

import pytest

from consumers import Event, Rate
from consumers import crew as crew_module
from consumers.calling.pace import PacedRoom
from consumers.calling.rate import Bucket
from consumers.crew import crew_for
from tests.consumers.making import fields_for, make_entry, make_handler, make_room
from tests.consumers.test_crew import Notes
from tests.waiting import wait_until


class Clock:
    """Seconds that pass only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.waits.append(seconds)
        self.now += seconds


class Gate:
    """A wait that ends when the test says so."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Wait for the test."""
        self.waits.append(seconds)
        await self.open.wait()
        self.open.clear()


def bucket(rate: Rate, clock: Clock) -> Bucket:
    """Make a bucket of the test's time."""
    return Bucket(rate, clock, clock.sleep)


async def begun_at(rate: Rate, count: int) -> list[float]:
    """Say when so many runs could begin, if they all wait at once."""
    clock = Clock()
    held = bucket(rate, clock)
    times = []
    for _ in range(count):
        await held.wait()
        held.take()
        times.append(clock.now - 1000)
    return times


@pytest.mark.parametrize(
    ("rate", "times"),
    [
        (Rate(2), [0, 0, 0.5, 1, 1.5]),
        (Rate(1, per_seconds=60), [0, 60, 120]),
        (Rate(3, per_seconds=0.3), [0, 0, 0, 0.1, 0.2]),
    ],
)
async def test_runs_begin_evenly_after_the_first_few(rate: Rate, times: list[float]) -> None:
    """So many at once as the rate names; then one as each has filled up again."""
    assert await begun_at(rate, len(times)) == pytest.approx(times)


async def test_a_pause_saves_up_no_more_than_the_rate() -> None:
    """A night without events is not followed by a flood."""
    clock = Clock()
    held = bucket(Rate(2), clock)
    clock.now += 3600
    for _ in range(4):
        await held.wait()
        held.take()

    assert clock.now - 4600 == pytest.approx(1.0)


async def test_one_wait_for_each_run() -> None:
    """It sleeps until its turn, rather than looking again and again."""
    clock = Clock()
    held = bucket(Rate(7, per_seconds=3), clock)
    for _ in range(7 + 50):
        await held.wait()
        held.take()

    assert len(clock.waits) == 50


# --- the entries


async def test_entries_are_given_in_their_order_however_many_wait() -> None:
    """The first that came is the first to be run."""
    clock = Clock()
    room = make_room()
    held = PacedRoom(room, bucket(Rate(1), clock))
    lanes = [asyncio.create_task(held.take()) for _ in range(3)]
    for number in (1, 2, 3):
        room.put(make_entry(f"{number}-0"))

    assert [(await lane).entry_id for lane in lanes] == ["1-0", "2-0", "3-0"]


async def test_an_entry_that_waits_for_its_turn_stays_in_its_room() -> None:
    """It keeps its place, and is given back at the end; a lane that is cancelled loses nothing."""
    gate = Gate()
    room = make_room()
    for number in (1, 2, 3):
        room.put(make_entry(f"{number}-0"))
    held = PacedRoom(room, Bucket(Rate(1, per_seconds=60), lambda: 0.0, gate.sleep))
    first = await held.take()
    lane = asyncio.create_task(held.take())
    await wait_until(lambda: bool(gate.waits), description="the second waits")
    lane.cancel()
    await asyncio.wait({lane})

    assert lane.cancelled()
    assert [first, *room.drain()] == [make_entry(f"{number}-0") for number in (1, 2, 3)]


async def test_lanes_that_wait_for_entries_save_up_nothing() -> None:
    """Each run counts when it begins, and not when its lane became free."""
    clock = Clock()
    room = make_room()
    held = PacedRoom(room, bucket(Rate(2), clock))
    lanes = [asyncio.create_task(held.take()) for _ in range(5)]
    await asyncio.sleep(0)
    clock.now += 3600
    for number in range(5):
        room.put(make_entry(f"{number}-0"))
    await asyncio.gather(*lanes)

    assert sum(clock.waits) == pytest.approx(1.5)


async def test_a_handler_with_a_rate_begins_no_more_than_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many lanes are free; at the end what waits is handed back at once, unrun."""
    gate = Gate()
    monkeypatch.setattr(crew_module, "Bucket", lambda rate: Bucket(rate, lambda: 0.0, gate.sleep))
    ran: list[str] = []

    async def handle(event: Event) -> None:
        ran.append(event.id)

    room = make_room(make_handler(handle, concurrency=5, rate_limit=Rate(2, per_seconds=60)))
    notes = Notes()
    crew = crew_for(room, notes)
    for number in range(5):
        room.put(make_entry(f"{number}-0", fields=fields_for(f"evt_{number}")))
    free_before = room.free
    crew.start()
    await wait_until(lambda: len(notes.settled) == 2, description="two have run")
    await wait_until(lambda: bool(gate.waits), description="the third waits")
    free_while_waiting = room.free
    left = await crew.stop(60)

    assert ran == ["evt_0", "evt_1"]
    assert [entry.entry_id for entry in left] == ["2-0", "3-0", "4-0"]
    assert free_while_waiting == free_before + 2
