"""What this process holds: entries read and not settled, bounded per handler.

A handler's room is its concurrency plus its read-ahead. An entry holds its place from the read
until it is settled in the store.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from consumers.entry import HeldEntry
from consumers.worker import Handler

# Bodies of all held entries together; a stream of large events is read more slowly.
MAX_HELD_BYTES = 64 * 1024 * 1024


class Room:
    """The entries held for one handler.

    Args:
        handler: Whose they are.
        house: All rooms of the process.
    """

    def __init__(self, handler: Handler, house: "House") -> None:
        self.handler = handler
        self._house = house
        self._capacity = handler.concurrency + handler.read_ahead
        self._queue: deque[HeldEntry] = deque()
        self._arrived = asyncio.Event()
        self._held = 0

    @property
    def free(self) -> int:
        """How many more entries may be read for it."""
        return 0 if self._house.is_full else max(0, self._capacity - self._held)

    def put(self, entry: HeldEntry) -> None:
        """Take in an entry; one that is held already is passed over."""
        if self._house.hold(entry):
            self._held += 1
            self._queue.append(entry)
            self._arrived.set()

    async def take(self) -> HeldEntry:
        """Wait for the next entry to be handled."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def drain(self) -> list[HeldEntry]:
        """Give up the entries that no lane has taken yet."""
        entries = list(self._queue)
        self._queue.clear()
        return entries

    def let_go(self, entry: HeldEntry) -> None:
        """Give back an entry's place, once it is settled."""
        if self._house.let_go(entry):
            self._held -= 1
            self._house.on_room()


class House:
    """All rooms of one process.

    Args:
        handlers: One room is made for each.
    """

    def __init__(self, handlers: Iterable[Handler]) -> None:
        self._held: dict[tuple[str, str], int] = {}
        self._held_bytes = 0
        self.on_room: Callable[[], None] = lambda: None
        self.rooms = [Room(handler, self) for handler in handlers]

    @property
    def is_full(self) -> bool:
        """Whether the held bodies take all the memory they may."""
        return self._held_bytes >= MAX_HELD_BYTES

    def holds(self, stream_key: str, entry_id: str) -> bool:
        """Tell whether an entry is in this process's hands."""
        return (stream_key, entry_id) in self._held

    def hold(self, entry: HeldEntry) -> bool:
        """Take note of an entry; false where it is held already."""
        key = (entry.stream.key, entry.entry_id)
        if key in self._held:
            return False
        self._held[key] = entry.size_bytes
        self._held_bytes += entry.size_bytes
        return True

    def let_go(self, entry: HeldEntry) -> bool:
        """Forget an entry; false where it was not held."""
        size_bytes = self._held.pop((entry.stream.key, entry.entry_id), None)
        self._held_bytes -= size_bytes or 0
        return size_bytes is not None
