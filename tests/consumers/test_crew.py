"""The lanes of a handler: how they work, and how they end."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, cast

import msgspec
import pytest
from structlog.testing import capture_logs

from consumers import crew as module
from consumers.calling import breath
from consumers.crew import crew_for
from consumers.effects.commit import Effects
from consumers.entry import HeldEntry
from consumers.event import Event
from consumers.outcome import GiveUp
from consumers.retry import ACKNOWLEDGE, Acknowledge, Decision, SetAside, TryAgain
from consumers.rooms import Room
from consumers.settle import Settler
from consumers.suspects.strikes import Strikes
from consumers.suspects.suspicion import Suspicion
from consumers.worker import Batch, HandlerFunction
from tests.consumers.making import do_nothing, fields_for, make_entry, make_handler, make_room, us
from tests.waiting import wait_until


class Number(msgspec.Struct):
    """A payload."""

    number: int


class Notes(Settler):
    """Takes note of outcomes instead of storing them."""

    def __init__(self) -> None:
        self.settled: list[tuple[str, Decision]] = []
        self._us = us(cast("Any", None))

    async def settle(self, entry: HeldEntry, room: Room, decision: Decision) -> None:
        """Take note, and give the place back."""
        self.settled.append((entry.entry_id, decision))
        room.let_go(entry)

    def acknowledge(self, entry: HeldEntry, room: Room) -> None:
        """Take note, and give the place back."""
        self.settled.append((entry.entry_id, ACKNOWLEDGE))
        room.let_go(entry)


class Scene:
    """A handler with its room and its lanes.

    Args:
        function: The handler.
        concurrency: How many lanes it has.
    """

    def __init__(self, function: HandlerFunction, concurrency: int = 2) -> None:
        self.room = make_room(make_handler(function, concurrency=concurrency))
        self.notes = Notes()
        self.crew = crew_for(self.room, self.notes)

    def put(self, count: int) -> None:
        """Put entries into the room: 1-0, 2-0 and so on."""
        for number in range(1, count + 1):
            self.room.put(make_entry(f"{number}-0", fields=fields_for(f"evt_{number}")))

    @property
    def settled(self) -> list[str]:
        """The ids of the entries that came to their end."""
        return [entry_id for entry_id, _ in self.notes.settled]


@pytest.fixture(autouse=True)
async def no_lane_left() -> AsyncIterator[None]:
    """Fail a test that leaves a lane running."""
    yield
    left = [task for task in asyncio.all_tasks() if task.get_name().startswith("lane-")]
    for task in left:
        task.cancel()

    assert left == []


async def test_as_many_run_at_once_as_there_are_lanes() -> None:
    """The next one begins when one has ended."""
    gate = asyncio.Event()
    begun: list[str] = []

    async def handle(event: Event) -> None:
        begun.append(event.id)
        await gate.wait()

    scene = Scene(handle)
    scene.put(3)
    scene.crew.start()
    await wait_until(lambda: len(begun) == 2, description="two run")
    before = list(begun)
    gate.set()
    await wait_until(lambda: len(scene.settled) == 3, description="all have ended")
    rest = await scene.crew.stop(1)

    assert before == ["evt_1", "evt_2"]
    assert sorted(scene.settled) == ["1-0", "2-0", "3-0"]
    assert {decision for _, decision in scene.notes.settled} == {Acknowledge()}
    assert rest == []


async def test_the_end_waits_for_what_runs_and_gives_up_what_has_not_begun() -> None:
    """Running handlers have the grace period."""
    gate = asyncio.Event()

    async def handle(event: Event) -> None:
        await gate.wait()

    scene = Scene(handle)
    scene.put(5)
    scene.crew.start()
    await wait_until(lambda: len(scene.crew._under_way) == 2, description="two run")
    stopping = asyncio.create_task(scene.crew.stop(10))
    await asyncio.sleep(0)
    gate.set()
    rest = await stopping

    assert [entry.entry_id for entry in rest] == ["3-0", "4-0", "5-0"]
    assert sorted(scene.settled) == ["1-0", "2-0"]


async def test_a_handler_over_the_grace_period_is_cancelled_and_its_entry_given_up() -> None:
    """It was no attempt, and another worker may have it at once."""

    async def handle(event: Event) -> None:
        await asyncio.Event().wait()

    scene = Scene(handle, concurrency=1)
    scene.put(2)
    scene.crew.start()
    await wait_until(lambda: bool(scene.crew._under_way), description="one runs")
    rest = await scene.crew.stop(0)

    assert sorted(entry.entry_id for entry in rest) == ["1-0", "2-0"]
    assert scene.settled == []
    assert scene.crew.left_running == 0


async def test_an_entry_that_a_thread_is_busy_with_is_not_given_up() -> None:
    """Another worker would run it beside the thread; what has not begun is given up."""
    gate = threading.Event()

    def handle(event: Event) -> None:
        gate.wait()

    scene = Scene(handle, concurrency=1)
    scene.put(2)
    scene.crew.start()
    await wait_until(lambda: scene.crew.left_running == 1, description="one runs")
    try:
        rest = await scene.crew.stop(0)
        left = scene.crew.left_running
    finally:
        gate.set()
    await wait_until(lambda: scene.crew.left_running == 0, description="the thread has ended")

    assert [entry.entry_id for entry in rest] == ["2-0"]
    assert left == 1


async def test_a_handler_that_swallows_one_cancellation_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked again."""
    asked: list[int] = []

    async def handle(event: Event) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked.append(1)
                if len(asked) == 2:
                    raise

    scene = Scene(handle, concurrency=1)
    scene.put(1)
    scene.crew.start()
    await wait_until(lambda: bool(scene.crew._under_way), description="it runs")
    rest = await scene.crew.stop(0)

    assert [entry.entry_id for entry in rest] == ["1-0"]
    assert len(asked) == 2


async def test_a_handler_that_swallows_every_cancellation_keeps_its_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes on running, so nobody else may have it; but it does not keep the process."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    gate = asyncio.Event()

    async def handle(event: Event) -> None:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    scene = Scene(handle, concurrency=1)
    scene.put(2)
    scene.crew.start()
    await wait_until(lambda: bool(scene.crew._under_way), description="it runs")
    rest = await scene.crew.stop(0)
    left = scene.crew.left_running
    gate.set()
    await wait_until(lambda: bool(scene.settled), description="it has ended at last")
    for lane in scene.crew._lanes:
        lane.cancel()
    await asyncio.wait(scene.crew._lanes)

    assert [entry.entry_id for entry in rest] == ["2-0"]
    assert left == 1


@pytest.mark.parametrize(
    "error", [None, ValueError, TimeoutError], ids=["returns", "error", "time-out"]
)
async def test_a_handler_that_cancels_its_lane_does_not_end_it(
    error: type[Exception] | None,
) -> None:
    """The lane would end unseen where it waits next, and with the last one the handler stands."""
    handled: list[str] = []

    async def handle(event: Event) -> None:
        handled.append(event.id)
        lane = asyncio.current_task()
        assert lane is not None
        lane.cancel()
        if error is not None:
            raise error

    scene = Scene(handle, concurrency=1)
    scene.put(2)
    scene.crew.start()
    await wait_until(lambda: len(scene.settled) == 2, description="both came to their end")
    lanes = [lane.done() for lane in scene.crew._lanes]
    await scene.crew.stop(0)

    assert handled == ["evt_1", "evt_2"]
    assert lanes == [False]


async def test_a_lane_that_is_cancelled_while_it_waits_goes_on() -> None:
    """A timer that a handler left behind strikes when nothing runs; the events to come need it."""
    scene = Scene(do_nothing, concurrency=1)
    scene.crew.start()
    scene.put(1)
    await wait_until(lambda: len(scene.settled) == 1, description="it waits for the next")
    with capture_logs() as logs:
        scene.crew._lanes[0].cancel()
        scene.put(1)
        await wait_until(lambda: len(scene.settled) == 2, description="that came to its end")
    await scene.crew.stop(0)

    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("stray_cancellation", "warning")
    ]
    assert all(lane.cancelled() for lane in scene.crew._lanes)


class Slow(Notes):
    """Does not come to the end of storing anything."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    async def settle(self, entry: HeldEntry, room: Room, decision: Decision) -> None:
        """Begin."""
        self.begun.set()
        await asyncio.Event().wait()


async def fail(event: Event) -> None:
    """Fail whatever comes."""
    raise ValueError


async def test_a_lane_that_is_cancelled_while_it_stores_an_outcome_goes_on() -> None:
    """The settler sees to the outcome, and the events to come need the lane."""
    scene = Scene(fail, concurrency=1)
    slow = scene.crew._settler = Slow()
    scene.put(1)
    scene.crew.start()
    await slow.begun.wait()
    slow.begun.clear()
    scene.crew._lanes[0].cancel()
    scene.room.put(make_entry("2-0"))
    await asyncio.wait_for(slow.begun.wait(), 10)
    failure = scene.crew.failure
    await scene.crew.stop(0)

    assert failure is None


async def test_a_lane_that_is_cancelled_with_a_suspect_in_hand_is_a_failure() -> None:
    """Its entry would be held by a process that lives, and never be settled."""
    scene = Scene(fail, concurrency=1)
    slow = scene.crew._settler = Slow()
    slow.strikes = Unmarked(slow.us, lambda _: None)
    scene.room.put(make_entry(suspicion=Suspicion(takeovers=2)))
    scene.crew.start()
    await slow.begun.wait()
    scene.crew._lanes[0].cancel()
    await wait_until(scene.crew._lanes[0].done, description="it has ended")
    failure = scene.crew.failure
    await scene.crew.stop(0)

    assert isinstance(failure, asyncio.CancelledError)


class Unmarked(Strikes):
    """Writes no strike."""

    async def mark(self, entry: HeldEntry, room: Room) -> bool:
        """Let it run."""
        return True


async def test_what_ends_a_lane_is_known_and_the_end_does_not_wait_for_it() -> None:
    """A handler that ends the process says so by an exception of its own kind."""

    class Fatal(BaseException):
        """Not to be handled."""

    async def handle(event: Event) -> None:
        raise Fatal

    scene = Scene(handle, concurrency=1)
    scene.put(1)
    scene.crew.start()
    await wait_until(lambda: scene.crew.failure is not None, description="the lane has ended")
    rest = await asyncio.wait_for(scene.crew.stop(60), 10)

    assert isinstance(scene.crew.failure, Fatal)
    assert rest == []


async def test_a_crew_that_never_began_can_be_stopped() -> None:
    """What is in its room is given up."""
    scene = Scene(lambda event: None)
    scene.put(1)
    rest = await scene.crew.stop(10)

    assert [entry.entry_id for entry in rest] == ["1-0"]
    assert scene.crew.failure is None


# --- several at once


class Together(Scene):
    """A handler of batches with its room and its lanes.

    Args:
        function: The handler.
        size: How many events it takes at once.
        wait_seconds: How long the first waits for the others.
    """

    def __init__(self, function: Any, size: int = 3, wait_seconds: float = 3600) -> None:
        batch = Batch(size, wait_seconds)
        self.room = make_room(make_handler(function, concurrency=1, batch=batch))
        self.notes = Notes()
        self.crew = crew_for(self.room, self.notes)


@pytest.mark.parametrize(
    "unreadable", [{b"other": b"form"}, fields_for() | {b"headers": b"[]"}], ids=["whole", "part"]
)
async def test_a_batch_handler_is_given_several_and_each_is_settled_by_itself(
    unreadable: dict[bytes, bytes],
) -> None:
    """Also what its handler never sees: an entry that cannot be read, or not in all its parts."""
    seen: list[list[str]] = []

    async def handle(events: list[Event]) -> list[Exception | None]:
        seen.append([event.id for event in events])
        return [None, GiveUp("useless")]

    scene = Together(handle, size=3)
    scene.room.put(make_entry("1-0", fields=fields_for("evt_1")))
    scene.room.put(make_entry("2-0", fields=unreadable))
    scene.room.put(make_entry("3-0", fields=fields_for("evt_3")))
    scene.crew.start()
    await wait_until(lambda: len(scene.settled) == 3, description="all have ended")
    rest = await scene.crew.stop(1)
    decisions = dict(scene.notes.settled)

    assert seen == [["evt_1", "evt_3"]]
    assert decisions["1-0"] == Acknowledge()
    assert isinstance(decisions["2-0"], SetAside)
    assert decisions["2-0"].reason == "unreadable"
    assert decisions["3-0"] == SetAside("gave_up", "GiveUp: useless")
    assert rest == []


async def test_an_event_of_a_failed_batch_that_is_committed_is_not_tried_again() -> None:
    """Each event has its own steps and its own commit."""

    async def handle(events: list[Event]) -> None:
        assert isinstance(events[1]._effects, Effects)
        events[1]._effects.committed = True
        raise ValueError

    scene = Together(handle, size=2)
    scene.put(2)
    scene.crew.start()
    await wait_until(lambda: len(scene.settled) == 2, description="both have ended")
    await scene.crew.stop(1)
    decisions = dict(scene.notes.settled)

    assert isinstance(decisions["1-0"], TryAgain)
    assert decisions["2-0"] == Acknowledge()


async def test_a_batch_that_waits_to_be_filled_is_given_up_at_the_end() -> None:
    """Nobody waits for it, and others have its entries at once."""
    scene = Together(lambda events: None)
    scene.put(2)
    scene.crew.start()
    await wait_until(lambda: not scene.room._queue, description="they are seen")
    rest = await asyncio.wait_for(scene.crew.stop(60), 10)

    assert [entry.entry_id for entry in rest] == ["1-0", "2-0"]
    assert scene.settled == []


async def test_a_running_batch_has_the_grace_period_and_is_then_given_up_whole() -> None:
    """None of its events has used up an attempt."""
    begun = asyncio.Event()

    async def handle(events: list[Event]) -> None:
        begun.set()
        await asyncio.Event().wait()

    scene = Together(handle)
    scene.put(4)
    scene.crew.start()
    await begun.wait()
    rest = await scene.crew.stop(0)

    assert sorted(entry.entry_id for entry in rest) == ["1-0", "2-0", "3-0", "4-0"]
    assert scene.settled == []


async def test_a_running_batch_may_end_within_the_grace_period() -> None:
    """What it has done is settled."""
    begun, gate = asyncio.Event(), asyncio.Event()

    async def handle(events: list[Event]) -> None:
        begun.set()
        await gate.wait()

    scene = Together(handle)
    scene.put(3)
    scene.crew.start()
    await begun.wait()
    stopping = asyncio.create_task(scene.crew.stop(60))
    await asyncio.sleep(0)
    gate.set()

    assert await stopping == []
    assert sorted(scene.settled) == ["1-0", "2-0", "3-0"]


async def test_a_part_that_cannot_be_read_matters_to_those_who_ask_for_it() -> None:
    """The event is set aside as unreadable, and not tried again."""

    async def handle(event: Event) -> None:
        if event.entry_id == "1-0":
            assert event.data
        else:
            assert event.headers

    scene = Scene(handle)
    for entry_id in ("1-0", "2-0"):
        scene.room.put(make_entry(entry_id, fields=fields_for() | {b"headers": b"[]"}))
    scene.crew.start()
    await wait_until(lambda: len(scene.notes.settled) == 2, description="both have ended")
    await scene.crew.stop(1)
    decisions = dict(scene.notes.settled)

    assert decisions["1-0"] == Acknowledge()
    assert isinstance(decisions["2-0"], SetAside)
    assert decisions["2-0"].reason == "unreadable"


@pytest.mark.parametrize(
    "part", [{b"headers": b"[]"}, {b"account": b"\xff"}], ids=["headers", "account"]
)
async def test_a_part_that_cannot_be_read_ends_no_lane_where_nobody_asks_for_it(
    part: dict[bytes, bytes],
) -> None:
    """A line about the event needs its id; that the body does not fit is said like any other."""

    async def handle(event: Event, payload: Number) -> None:
        """Take a number."""

    scene = Scene(handle)
    scene.room.put(make_entry("1-0", fields=fields_for(data=b"{}") | part))
    scene.crew.start()
    await wait_until(lambda: bool(scene.settled), description="it has ended")
    await scene.crew.stop(1)
    ((_, decision),) = scene.notes.settled

    assert isinstance(decision, SetAside)
    assert decision.reason == "invalid_payload"
    assert scene.crew.failure is None


async def test_a_context_variable_lasts_longer_than_a_run() -> None:
    """The page says so: one that is left set is seen by whoever comes next."""
    last = ContextVar("last", default="")
    seen: list[str] = []

    async def handle(event: Event) -> None:
        seen.append(last.get())
        last.set(event.entry_id)

    scene = Scene(handle, concurrency=1)
    scene.put(2)
    scene.crew.start()
    await wait_until(lambda: len(seen) == 2, description="both have run")
    await scene.crew.stop(1)

    assert seen == ["", "1-0"]


async def test_a_handler_that_never_waits_leaves_others_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reads, acknowledgements and the heartbeat's tick run in the same loop."""
    monkeypatch.setattr(breath, "STRETCH_SECONDS", 0.0)
    turns: list[int] = []

    async def handle(event: Event) -> None:
        turns.append(len(scene.notes.settled))

    scene = Scene(handle, concurrency=1)
    scene.put(50)
    scene.crew.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    so_far = len(turns)
    await wait_until(lambda: len(turns) == 50, description="all are handled")
    await scene.crew.stop(1)

    assert so_far < 50
