"""The store's side of the lanes of an ordered handler, in memory.

What is decided for each lane is `consumers.order.lanes`'s; here entries only lie and wait.
"""

import asyncio
from bisect import insort
from collections import defaultdict

from consumers.entry import HeldEntry
from consumers.order.lanes import Lane, Lanes
from relay.contract.stream import Stream

MOST_LANES = 256


class StoredLanes:
    """What waits outside of the process, by lane and in the order of the stream.

    Args:
        room: Whose lanes they are.
    """

    def __init__(self, room: Lanes) -> None:
        self._room = room
        # Those that the room was given entries of.
        self.streams = set[Stream]()
        self._waiting: defaultdict[tuple[str, str], list[HeldEntry]] = defaultdict(list)
        self._loop = asyncio.get_running_loop()
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        room.on_change = self._look_soon

    def park(self, entry: HeldEntry, delay_seconds: float) -> None:
        """Take an entry that will be tried again; those behind it wait for it.

        Args:
            entry: The head of its lane.
            delay_seconds: In how long.
        """
        self._store(entry)
        self._room.parked(entry, delay_seconds)

    def close(self) -> None:
        """Look at nothing any more."""
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()

    def _store(self, entry: HeldEntry) -> None:
        lane = self._waiting[entry.stream.key, entry.lane]
        insort(lane, entry, key=lambda each: each.lane_member)

    def _look_soon(self) -> None:
        if self._soon is None:
            self._soon = self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._soon = None
        for stream in sorted(self.streams):
            surplus = self._room.surplus(stream)
            for entry in surplus:
                self._store(entry)
            if surplus:
                self._room.put_away(stream, surplus)
        for lane in self._room.wanting(MOST_LANES):
            self._answer(lane)
        self._look_when_due()

    def _answer(self, lane: Lane) -> None:
        # Only asked for when it is due: the room knows when that is.
        waiting = self._waiting[lane.stream.key, lane.name]
        entries = [waiting.pop(0)] if waiting else []
        self._room.drawn(lane, entries, 0.0, more=bool(waiting))

    def _look_when_due(self) -> None:
        if self._later is not None:
            self._later.cancel()
        due_seconds = self._room.next_due_seconds()
        if due_seconds is not None:
            self._later = self._loop.call_later(due_seconds, self._look)
