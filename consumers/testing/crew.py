"""The lanes of one handler, in memory: as many tasks as it may run at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from consumers.calling.pace import PacedRoom
from consumers.calling.rate import Bucket
from consumers.collect import Collector
from consumers.entry import HeldEntry
from consumers.rooms import Room
from consumers.testing.attempt import Performer
from consumers.testing.clock import MovedClock
from consumers.worker import Handler
from relay.contract.duties import cancel

# How long a coroutine may take to hear of its end.
PATIENCE_SECONDS = 2.0

# Sees some entries through: what is run, and for whom.
SeeThrough = Callable[["MemoryCrew", Sequence[HeldEntry]], Awaitable[None]]


class _Entries(Protocol):
    async def take(self) -> HeldEntry: ...


class MemoryCrew:
    """Runs one handler on the entries of its room.

    Args:
        room: Where they come from.
        performer: Runs the handler.
        clock: Moves the time.
        see_through: Takes entries to their end.
    """

    def __init__(
        self, room: Room, performer: Performer, clock: MovedClock, see_through: SeeThrough
    ) -> None:
        self.room = room
        self.performer = performer
        self._see_through = see_through
        self._entries = _paced(room, clock)
        batch = room.handler.batch
        self._collector = None if batch is None else Collector(room, batch)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def handler(self) -> Handler:
        """Whose crew it is."""
        return self.room.handler

    def start(
        self, resources: Mapping[str, Any], on_end: Callable[["asyncio.Task[None]"], None]
    ) -> None:
        """Begin to handle.

        Args:
            resources: What is open, by name.
            on_end: Is told of each task that ends, which none should by itself.
        """
        self.performer.provide(resources)
        self._tasks = [
            asyncio.create_task(self._lane(), name=f"lane-{self.handler.name}-{number}")
            for number in range(self.handler.concurrency)
        ]
        if self._collector is not None:
            self._tasks.append(asyncio.create_task(self._collector.run(), name="collect"))
        for task in self._tasks:
            task.add_done_callback(on_end)

    async def stop(self) -> None:
        """End what still runs; its events have not come to their end."""
        self.performer.stopping()
        await cancel(self._tasks, PATIENCE_SECONDS)
        await self.performer.stop()

    async def _lane(self) -> None:
        lane = asyncio.current_task()
        assert lane is not None  # noqa: S101 - a task runs this
        while True:
            try:
                entries = await self._take()
            except asyncio.CancelledError:
                if not self.performer.forgives(lane):
                    raise
                continue
            try:
                await self._see_through(self, entries)
            finally:
                for entry in entries:
                    self.room.end_alone(entry)

    async def _take(self) -> list[HeldEntry]:
        if self._collector is not None:
            return await self._collector.take()
        return [await self._entries.take()]


def _paced(room: Room, clock: MovedClock) -> _Entries:
    rate = room.handler.rate_limit
    return room if rate is None else PacedRoom(room, Bucket(rate, clock=clock.time))
