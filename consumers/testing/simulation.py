"""A whole worker and events in, what came of them out: everything but the store is the real thing.

Routes, rooms, lanes, batches, rates, runners, resources and the policy are the worker's own.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby

from consumers.dispatch import Routes
from consumers.effects.once import Claim
from consumers.entry import HeldEntry
from consumers.event import Event
from consumers.order.lanes import Lanes
from consumers.rooms import House, Room
from consumers.starting.lifespan import CLOSE_SECONDS, Lifespan
from consumers.testing.attempt import Performer
from consumers.testing.clock import MovedClock
from consumers.testing.crash import is_crash
from consumers.testing.crew import MemoryCrew
from consumers.testing.events import Arrival
from consumers.testing.lanes import StoredLanes
from consumers.testing.memory import Memory, Surroundings
from consumers.testing.options import Plan
from consumers.testing.result import Result
from consumers.testing.settlement import Settlement
from consumers.testing.source import Source
from consumers.worker import Handler, Worker
from relay.contract.keys import Keys


class Simulation:
    """One run of a worker over some events; to be made and run while the clock moves.

    Args:
        worker: What the user declared, without faults; stand-ins are in their places.
        arrivals: The events, in the order of their coming.
        plan: What the test wants.
        clock: Moves the time.
    """

    def __init__(
        self, worker: Worker, arrivals: Sequence[Arrival], plan: Plan, clock: MovedClock
    ) -> None:
        self._arrivals = sorted(arrivals, key=lambda each: each.after_seconds)
        self._plan = plan
        self._clock = clock
        memory = plan.memory or Memory()
        self._result = Result([each.event for each in self._arrivals], memory)
        self._lifespan = Lifespan(worker)
        self._lanes: dict[int, StoredLanes] = {}
        house = House(worker.wrapped_handlers(), self._make_room)
        self._source = Source(Routes(house.rooms), Keys())
        self._settlement = Settlement(plan, clock, self._result, self._lanes)
        self._settlement.on_done = self._give_again
        self._again: set[tuple[str, str]] = set()
        self._crashed_in: set[tuple[str, str]] = set()
        around = Surroundings(
            group=worker.group,
            memory=memory,
            now=clock.wall,
            crash_in_steps=self._dies_in,
            on_commit=plan.on_commit,
        )
        self._crews = [self._crew(room, around) for room in house.rooms]
        self._failure: BaseException | None = None

    async def run(self) -> Result:
        """Run it to the end of every event.

        Raises:
            StartFailed: A resource or a start-up hook failed; no handler ran.
            HandlerEnded: A handler has asked for the end of the process.
            NeedsStore: A handler commits, and the test says nothing of that.
        """
        with self._clock.standing():
            await self._lifespan.start(asyncio.Event())
        try:
            await self._handle_all()
        finally:
            for crew in self._crews:
                await crew.stop()
            self._settlement.close()
            with self._clock.standing():
                await self._lifespan.stop(CLOSE_SECONDS)
        if self._failure is not None:
            raise self._failure
        return self._result

    async def _handle_all(self) -> None:
        for crew in self._crews:
            crew.start(self._lifespan.resources, self._lane_ended)
        loop = asyncio.get_running_loop()
        # Those that come together in one step, since timers of one time run in any order.
        together = groupby(self._arrivals, key=lambda each: each.after_seconds)
        arriving = [
            loop.call_later(after_seconds, self._arrive, list(arrivals))
            for after_seconds, arrivals in together
        ]
        if not arriving:
            self._settlement.end_if_settled()
        try:
            async with asyncio.timeout(self._plan.within_seconds):
                await self._settlement.ended.wait()
        except TimeoutError:
            self._settlement.stop(f"{self._plan.within_seconds:g} s of moved time were over")
        for each in arriving:
            each.cancel()
        self._result.waiting = self._settlement.waiting
        self._result.elapsed_seconds = self._settlement.elapsed_seconds

    def _arrive(self, arrivals: Sequence[Arrival]) -> None:
        self._settlement.coming -= len(arrivals)
        at_ms = int(1000 * self._clock.wall())
        for each in arrivals:
            # What was there at the begin is as old as it says.
            received_ms = int(1000 * each.event.received_at)
            self._append(each.event, at_ms if each.after_seconds else min(at_ms, received_ms))
        self._settlement.end_if_settled()

    def _append(self, event: Event, stored_at_ms: int) -> None:
        placed = self._source.place(event, stored_at_ms)
        if placed is None:
            self._result.unrouted.append(event)
        else:
            self._settlement.begin(*placed, event)

    def _give_again(self, entry: HeldEntry, event: Event) -> None:
        """Give an event a second time where the test wants it; a copy not a third time."""
        key = (event.identity, entry.stream.key)
        if self._plan.redeliver and key not in self._again:
            self._again.add(key)
            again = Event(event.stored, entry_id=event.entry_id, attempt=1)
            self._append(again, int(1000 * self._clock.wall()))

    async def _see_through(self, crew: MemoryCrew, entries: Sequence[HeldEntry]) -> None:
        """Run the handler on some entries, and take them on as the outcome says."""
        settlement, performer = self._settlement, crew.performer
        started = settlement.elapsed_seconds
        attempts = [performer.attempt(entry) for entry in entries]
        try:
            with self._clock.handling():
                ended = await performer.perform(attempts)
        except BaseException as error:
            if not is_crash(error):
                raise
            for attempt in attempts:
                settlement.died(crew.room, attempt, started)
            return
        for attempt, how in zip(attempts, ended, strict=True):
            settlement.finish(crew.room, attempt, how, started)
            # Whatever the handler made of it: the test would say nothing.
            if attempt.effects.missed_store is not None:
                self._fail(attempt.effects.missed_store)

    def _dies_in(self, claim: Claim) -> bool:
        key = (claim.identity, claim.name)
        if claim.name not in self._plan.crash_in_steps or key in self._crashed_in:
            return False
        self._crashed_in.add(key)
        return True

    def _lane_ended(self, lane: "asyncio.Task[None]") -> None:
        if not lane.cancelled() and (error := lane.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._settlement.stop(type(error).__name__)

    def _make_room(self, handler: Handler, house: House) -> Room:
        if handler.order_by is None:
            return Room(handler, house)
        room = Lanes(handler, house, clock=self._clock.time)
        self._lanes[id(room)] = StoredLanes(room)
        return room

    def _crew(self, room: Room, around: Surroundings) -> MemoryCrew:
        handler = room.handler
        if handler.isolate is not None:
            self._result.notes.append(
                f"{handler.name} ran in this process and not in one of its own (isolate)"
            )
        return MemoryCrew(room, Performer(handler, around), self._clock, self._see_through)
