"""Shares a process's room among readers that ask at the same time, each at its own server.

What a reader asks for is taken off the room before it asks. So all of them together hold no more
than one that asks for all would, however their answers meet.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from consumers.rooms import Room
from consumers.sizes import Sizes


class Shares:
    """What the readers of a process have asked for and not been given yet.

    A reader that blocks is given one entry, and holds a place for it in each room that this may be
    for. Such places are at most half of a room's, and none that an entry could be handled in: else
    those that wait for something that never comes would keep them from those that have something
    to read.

    Args:
        sizes: How many entries may be asked for at once, over all of them.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        # How many readers there are.
        self.readers = 0
        self._asked = 0
        self._blocking = 0
        # By id of the room.
        self._blocked: Counter[int] = Counter()

    def may_ask(self, room: Room) -> int:
        """Say for how many entries a reader may ask now: its part of what is free."""
        free = min(room.free, self.sizes.most - self._asked)
        if free <= 0:
            return 0
        return max(1, free // max(1, self.readers - self._blocking))

    def may_block(self, room: Room) -> bool:
        """Tell whether one more reader may keep a place of a room while it blocks."""
        most = room.places if self.readers == 1 else min(room.places // 2, room.places_to_wait)
        return room.free > 0 and self._blocked[id(room)] < most

    @contextmanager
    def asking(self, room: Room, entries: int) -> Iterator[None]:
        """Keep places for entries that are asked for within the block."""
        room.reserved += entries
        self._asked += entries
        try:
            yield
        finally:
            room.reserved -= entries
            self._asked -= entries

    @contextmanager
    def blocking(self, rooms: Iterable[Room]) -> Iterator[None]:
        """Keep one place of each of some rooms within the block."""
        kept = list(rooms)
        self._blocking += 1
        for room in kept:
            room.reserved += 1
            self._blocked[id(room)] += 1
        try:
            yield
        finally:
            self._blocking -= 1
            for room in kept:
                room.reserved -= 1
                self._blocked[id(room)] -= 1
