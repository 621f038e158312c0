"""Entries in, batches out: as many as a handler takes at once, or what came within its wait."""

import asyncio
from collections import deque

from consumers.entry import HeldEntry
from consumers.rooms import Room
from consumers.worker import Batch


class Collector:
    """Puts the entries of one room together for a handler that takes several at once.

    An entry that has failed before is given alone: a batch that fails as a whole does not say
    which of its events was to blame, and the innocent ones must not fail with it again.

    Args:
        room: Where the entries come from.
        batch: How many at once, and how long the first may wait for the others.
    """

    def __init__(self, room: Room, batch: Batch) -> None:
        self._room = room
        self._batch = batch
        # Each with the time of its coming: whether all lanes were busy then or not.
        self._waiting: deque[tuple[float, HeldEntry]] = deque()
        self._alone: deque[HeldEntry] = deque()
        self._alone_is_next = True
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Take entries from the room as they come, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            entry = await self._room.take()
            if entry.history.attempts or entry.suspicion.runs_alone:
                self._alone.append(entry)
            else:
                self._waiting.append((clock(), entry))
            self._changed.set()

    async def take(self) -> list[HeldEntry]:
        """Wait for the next batch to be handled.

        Returns:
            At least one entry, all of which have never failed; or one that has, or is a suspect.
        """
        clock = asyncio.get_running_loop().time
        while True:
            entries = self._next(clock())
            if entries:
                return entries
            self._changed.clear()
            await self._until_changed_or_due()

    def drain(self) -> list[HeldEntry]:
        """Give up the entries that no lane has taken yet."""
        entries = [*self._alone, *(entry for _, entry in self._waiting)]
        self._alone.clear()
        self._waiting.clear()
        return entries

    def _next(self, now: float) -> list[HeldEntry]:
        """Give what may go now; by turns where both kinds may, so that neither starves."""
        full_or_due = bool(self._waiting) and (
            len(self._waiting) >= self._batch.size or now >= self._due_at()
        )
        if self._alone and (self._alone_is_next or not full_or_due):
            self._alone_is_next = False
            return [self._alone.popleft()]
        if not full_or_due:
            return []
        self._alone_is_next = True
        count = min(len(self._waiting), self._batch.size)
        return [self._waiting.popleft()[1] for _ in range(count)]

    def _due_at(self) -> float:
        came, _ = self._waiting[0]
        return came + self._batch.wait_seconds

    async def _until_changed_or_due(self) -> None:
        try:
            async with asyncio.timeout_at(self._due_at() if self._waiting else None):
                await self._changed.wait()
        except TimeoutError:
            pass
