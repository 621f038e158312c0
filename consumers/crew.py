"""The lanes of one handler: as many long-lived tasks as it may run at once.

Each takes the next entry of the handler's room and sees it through to its end.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from consumers.entry import HeldEntry
from consumers.handle import HandlerEnded, Runner
from consumers.pace import PacedRoom
from consumers.pipeline import process
from consumers.rate import Bucket
from consumers.rooms import Room
from consumers.settle import Settler
from relay.contract.duties import cancel

# How long a coroutine may take to hear of its end.
PATIENCE_SECONDS = 2.0


class Crew:
    """Runs one handler on the entries of its room.

    Args:
        room: Where the entries come from.
        settler: Stores the outcomes.
    """

    def __init__(self, room: Room, settler: Settler) -> None:
        self._room = room
        rate = room.handler.rate_limit
        self._entries = room if rate is None else PacedRoom(room, Bucket(rate))
        self._settler = settler
        self._runner = Runner(room.handler)
        self._lanes: list[asyncio.Task[None]] = []
        self._under_way: dict[asyncio.Task[None], HeldEntry] = {}
        self._stuck: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self, resources: Mapping[str, Any] | None = None) -> None:
        """Begin to handle.

        Args:
            resources: What is open by now, by name.
        """
        self._runner.provide(resources or {})
        name = self._room.handler.name
        self._lanes = [
            asyncio.create_task(self._lane(), name=f"lane-{name}-{number}")
            for number in range(self._room.handler.concurrency)
        ]

    @property
    def failure(self) -> BaseException | None:
        """What ended a lane, if one ended: a bug, or a handler that ends the process."""
        for lane in self._lanes:
            if lane.done() and not lane.cancelled():
                return lane.exception()
        return None

    async def stop(self, grace_seconds: float) -> list[HeldEntry]:
        """Let running handlers finish, then give up what is left.

        Returns:
            The entries that were not handled, to be handed back. Those that handlers are still
            busy with, and cannot be stopped, are not among them: they stay pending until this
            process has ended.
        """
        unstarted = self._room.drain()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._idle.wait()
        except TimeoutError:
            pass
        in_threads = self._runner.in_threads > 0
        unfinished = {} if in_threads else dict(self._under_way)
        self._runner.stopping = True
        self._stuck = await cancel(self._lanes, PATIENCE_SECONDS)
        self._runner.close()
        ended = [entry for lane, entry in unfinished.items() if lane not in self._stuck]
        return unstarted + self._room.drain() + ended

    def hurry(self) -> None:
        """Have `stop` wait no longer for running handlers."""
        self._idle.set()

    @property
    def left_running(self) -> int:
        """How many runs of the handler go on: threads, and coroutines that swallow cancellation."""
        return self._runner.in_threads + len(self._stuck)

    async def _lane(self) -> None:
        lane = asyncio.current_task()
        assert lane is not None  # noqa: S101 - a task runs this
        while True:
            entry = await self._entries.take()
            self._under_way[lane] = entry
            self._idle.clear()
            try:
                await self._see_through(entry)
            finally:
                self._room.end_alone(entry)
                # Also where the handler ended this lane: nobody would wait for it in vain.
                del self._under_way[lane]
                if not self._under_way:
                    self._idle.set()

    async def _see_through(self, entry: HeldEntry) -> None:
        if not entry.suspicion.runs_alone:
            await process(entry, self._room, self._runner, self._settler)
            return
        strikes = self._settler.strikes
        if not await strikes.mark(entry, self._room):
            return
        try:
            await process(entry, self._room, self._runner, self._settler)
        except HandlerEnded:
            strikes.keep(entry)  # it ended the process after all, if only by asking
            raise
