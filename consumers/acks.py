"""Acknowledgements on their way: collected for a few milliseconds, then handed on together.

Whether and how they reach the store is not known here. One that is lost in a crash costs a second
run, never an event.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from consumers.entry import HeldEntry
from consumers.persist import persist
from consumers.rooms import Room

DELAY_SECONDS = 0.005
BATCH = 256

Acks = list[tuple[HeldEntry, Room]]


class AckQueue:
    """Collects acknowledgements, and has one batch after the other sent.

    Each entry keeps its place until the batch that it is in has been stored.

    Args:
        send: Stores a batch, and may be called again with it until it has not failed.
    """

    def __init__(self, send: Callable[[Acks], Awaitable[None]]) -> None:
        self._send = send
        self._acks: Acks = []
        self._enough = asyncio.Event()
        self.flusher: asyncio.Task[None] | None = None

    def add(self, entry: HeldEntry, room: Room) -> None:
        """Have an entry acknowledged with the next that are, soon."""
        acks = self._acks
        acks.append((entry, room))
        # In a lane the next entry waits for this to be stored; so may the room's next read.
        if entry.lane or len(acks) >= BATCH or room.is_starved:
            self._enough.set()
        if self.flusher is None:
            # Not by the loop's factory: a task that began at once could have ended before this.
            self.flusher = asyncio.Task(self._flush_all(), name="ack-flush")

    async def flush(self) -> None:
        """Send everything that waits."""
        while self.flusher is not None:
            self._enough.set()
            await asyncio.wait({self.flusher})

    async def _flush_all(self) -> None:
        try:
            while self._acks:
                if not self._enough.is_set():
                    await self._wait_for_more()
                self._enough.clear()
                batch, self._acks = self._acks[:BATCH], self._acks[BATCH:]
                await persist(partial(self._send, batch))
                for entry, room in batch:
                    room.give_back(entry)
                batch[0][1].tell_of_room()
        finally:
            self.flusher = None

    async def _wait_for_more(self) -> None:
        try:
            async with asyncio.timeout(DELAY_SECONDS):
                await self._enough.wait()
        except TimeoutError:
            pass
