"""Entries that wait for another attempt, in memory: the part of ``@park``."""

import asyncio
import heapq
from itertools import count

from consumers.entry import HeldEntry
from consumers.rooms import Room


class Parked:
    """Brings entries back when they are due; those that are due together by their age."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # When it is due, its name in the books, a number that decides between equals.
        self._heap: list[tuple[float, str, int, HeldEntry, Room]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def park(self, entry: HeldEntry, room: Room, delay_seconds: float) -> None:
        """Have an entry wait.

        Args:
            entry: Not held any more.
            room: Where it comes back.
            delay_seconds: How long.
        """
        # Else what is due together would not be, by what is lost in adding.
        due_at = round(self._loop.time() + delay_seconds, 6)
        heapq.heappush(self._heap, (due_at, entry.member, next(self._numbers), entry, room))
        self._wait()

    def close(self) -> None:
        """Bring nothing back any more."""
        self._heap.clear()
        self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._heap:
            self._timer = self._loop.call_at(self._heap[0][0], self._bring_back)

    def _bring_back(self) -> None:
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now:
            *_, entry, room = heapq.heappop(self._heap)
            room.put(entry)
        self._wait()
