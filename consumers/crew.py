"""The lanes of one handler: as many long-lived tasks as it may run at once.

Each takes the next entry of the handler's room and sees it through to its end.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from consumers.calling.breath import Breath
from consumers.calling.pace import PacedRoom
from consumers.calling.rate import Bucket
from consumers.collect import Collector
from consumers.entry import HeldEntry
from consumers.handle import HandlerEnded, Runner
from consumers.handle_batch import BatchRunner
from consumers.isolate.runner import IsolatedRunner
from consumers.pipeline import process, process_batch
from consumers.rooms import Room
from consumers.settle import Settler
from consumers.worker import Batch
from relay.contract.duties import cancel
from relay.contract.logs import LogFormat

# How long a coroutine may take to hear of its end.
PATIENCE_SECONDS = 2.0


def crew_for(room: Room, settler: Settler, log_format: LogFormat = "auto") -> "Crew":
    """Make the crew that a room's handler asks for.

    Args:
        room: Where the entries come from.
        settler: Stores the outcomes.
        log_format: What handlers' own processes log in.
    """
    handler = room.handler
    if handler.batch is not None:
        return BatchCrew(room, settler, BatchRunner(handler), handler.batch)
    if handler.isolate is not None:
        return Crew(room, settler, IsolatedRunner(handler, log_format))
    return Crew(room, settler, Runner(handler))


class Crew:
    """Runs one handler on the entries of its room.

    Args:
        room: Where the entries come from.
        settler: Stores the outcomes.
        runner: Runs the handler.
    """

    def __init__(self, room: Room, settler: Settler, runner: Runner) -> None:
        self._room = room
        rate = room.handler.rate_limit
        self._entries = room if rate is None else PacedRoom(room, Bucket(rate))
        self._settler = settler
        self._runner = runner
        self._lanes: list[asyncio.Task[None]] = []
        self._under_way: dict[asyncio.Task[None], list[HeldEntry]] = {}
        self._stuck: set[asyncio.Task[None]] = set()
        self._breath = Breath()
        self._is_ending = False
        # Set where all have ended, or need not be waited for; looked at in the end only.
        self._idle = asyncio.Event()

    def start(self, resources: Mapping[str, Any] | None = None) -> None:
        """Begin to handle.

        Args:
            resources: What is open by now, by name.
        """
        self._runner.provide(resources or {})
        self._runner.loop = asyncio.get_running_loop()
        name = self._room.handler.name
        self._lanes = [
            asyncio.create_task(self._lane(), name=f"lane-{name}-{number}")
            for number in range(self._room.handler.concurrency)
        ]

    @property
    def failure(self) -> BaseException | None:
        """What ended a lane, if one ended: a bug, or a handler that ends the process.

        One that was cancelled between a suspect's run and its end has ended as well: its entry
        would be held for ever.
        """
        for lane in self._lanes:
            if lane.cancelled():
                return None if self._runner.stopping else asyncio.CancelledError()
            if lane.done():
                return lane.exception()
        return None

    async def stop(self, grace_seconds: float) -> list[HeldEntry]:
        """Let running handlers finish, then give up what is left.

        Returns:
            The entries that were not handled, to be handed back. Those that handlers are still
            busy with, and cannot be stopped, are not among them: they stay pending until this
            process has ended.
        """
        unstarted = self._drain()
        self._is_ending = True
        if self._under_way:
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._idle.wait()
            except TimeoutError:
                pass
        in_threads = self._runner.in_threads > 0
        unfinished = {} if in_threads else dict(self._under_way)
        self._runner.stopping = True
        self._stuck = await cancel(self._lanes, PATIENCE_SECONDS)
        await self._runner.stop()
        ended = [
            entry
            for lane, entries in unfinished.items()
            if lane not in self._stuck
            for entry in entries
        ]
        return unstarted + self._drain() + ended

    def review(self) -> None:
        """Look again at what waits: streams of it may have been paused."""
        self._room.line_up_anew(self._drain)

    def hurry(self) -> None:
        """Have `stop` wait no longer for running handlers."""
        self._idle.set()

    @property
    def running(self) -> int:
        """How many runs are under way."""
        return len(self._under_way)

    @property
    def in_flight(self) -> int:
        """How many entries they are busy with."""
        return sum(map(len, self._under_way.values()))

    @property
    def left_running(self) -> int:
        """How many runs of the handler go on: threads, and coroutines that swallow cancellation."""
        return self._runner.in_threads + len(self._stuck)

    async def _lane(self) -> None:
        lane = asyncio.current_task()
        assert lane is not None  # noqa: S101 - a task runs this
        while True:
            try:
                if self._breath.is_due():
                    await asyncio.sleep(0)
                entries = await self._take()
            except asyncio.CancelledError:
                if not self._runner.forgives(lane):
                    raise
                continue
            self._under_way[lane] = entries
            try:
                # A suspect comes by itself, also where a handler is given several.
                if entries[0].suspicion.runs_alone:
                    await self._see_suspect_through(entries)
                else:
                    await self._process(entries)
            except asyncio.CancelledError:
                # What is decided is stored aside; of a suspect nobody knows how far it came.
                if entries[0].suspicion.runs_alone or not self._runner.forgives(lane):
                    raise
            finally:
                # Also where the handler ended this lane: nobody would wait for it in vain.
                self._has_ended(lane)

    def _has_ended(self, lane: asyncio.Task[None]) -> None:
        del self._under_way[lane]
        if self._is_ending and not self._under_way:
            self._idle.set()

    async def _see_suspect_through(self, entries: list[HeldEntry]) -> None:
        suspect, strikes = entries[0], self._settler.strikes
        try:
            if await strikes.mark(suspect, self._room):
                await self._process(entries)
        except HandlerEnded:
            strikes.keep(suspect)  # it ended the process after all, if only by asking
            raise
        finally:
            self._room.end_alone(suspect)

    async def _take(self) -> list[HeldEntry]:
        return [await self._entries.take()]

    def _process(self, entries: list[HeldEntry]) -> Coroutine[Any, Any, None]:
        return process(entries[0], self._room, self._runner, self._settler)

    def _drain(self) -> list[HeldEntry]:
        """Give up the entries that no lane has taken yet."""
        return self._room.drain()


class BatchCrew(Crew):
    """Runs a handler that is given several entries at once.

    Args:
        room: Where the entries come from.
        settler: Stores the outcomes.
        runner: Runs the handler.
        batch: How many at once.
    """

    def __init__(self, room: Room, settler: Settler, runner: BatchRunner, batch: Batch) -> None:
        super().__init__(room, settler, runner)
        self._batch_runner = runner
        self._collector = Collector(room, batch)

    def start(self, resources: Mapping[str, Any] | None = None) -> None:
        """Begin to collect and to handle.

        Args:
            resources: What is open by now, by name.
        """
        super().start(resources)
        name = f"lane-{self._room.handler.name}-collect"
        self._lanes.append(asyncio.create_task(self._collector.run(), name=name))

    async def _take(self) -> list[HeldEntry]:
        return await self._collector.take()

    def _process(self, entries: list[HeldEntry]) -> Coroutine[Any, Any, None]:
        return process_batch(entries, self._room, self._batch_runner, self._settler)

    def _drain(self) -> list[HeldEntry]:
        return self._collector.drain() + self._room.drain()
