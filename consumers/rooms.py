"""What this process holds: entries read and not settled, bounded per handler.

A handler's room is what it may be busy with at once plus its read-ahead. An entry holds its place
from the read until it is settled in the store.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from consumers.ahead import ReadAhead
from consumers.entry import HeldEntry
from consumers.idle import IdleLanes
from consumers.metrics.record import HandlerRecord
from consumers.worker import Handler

# Bodies of all held entries together. Each handler has its part: one that hangs with large events
# must not keep the others from theirs.
MAX_HELD_BYTES = 64 * 1024 * 1024


class Room:
    """The entries held for one handler.

    Args:
        handler: Whose they are.
        house: All rooms of the process.
    """

    def __init__(self, handler: Handler, house: "House") -> None:
        self.handler = handler
        self.record = HandlerRecord(handler.name)
        self._house = house
        self._most_running = handler.most_running
        self._ahead = ReadAhead(handler.read_ahead)
        self._queue: deque[HeldEntry] = deque()
        self._suspects: deque[HeldEntry] = deque()
        self._idle = IdleLanes()
        self._again: dict[tuple[str, str], HeldEntry] = {}
        # Held, and about to be in other hands: what is heard of a claim may be later than that.
        self._leaving: set[tuple[str, str]] = set()
        self._held = 0
        self._held_bytes = 0
        # Places for entries that the store was asked for and has not given yet, by others.
        self.reserved = 0

    @property
    def held(self) -> int:
        """How many entries are read and not settled."""
        return self._held

    @property
    def free(self) -> int:
        """How many more entries may be read for it."""
        if self._held_bytes >= self._house.room_bytes:
            return 0
        return max(0, self._places - self._held - self.reserved)

    @property
    def places(self) -> int:
        """How many entries may be in hand for it, but for those that are claimed."""
        return self._places

    @property
    def places_to_wait(self) -> int:
        """How many of them are for entries that wait while others are handled."""
        return self._ahead.entries

    @property
    def free_for_claims(self) -> int:
        """How many entries may be claimed for it: retries that are due, and a dead worker's.

        They have places of their own. Else a backlog, which fills every place as it becomes free,
        would keep them waiting to its end.
        """
        if self._held_bytes >= 2 * self._house.room_bytes:
            return 0
        return max(0, self._places + self._most_running - self._held)

    @property
    def _places(self) -> int:
        return self._most_running + self._ahead.entries

    @property
    def is_starved(self) -> bool:
        """Whether nothing waits here, and nothing can be read before a place is given back."""
        return not self._queue and not self.free

    @property
    def claims_share(self) -> int:
        """How many places are worth claiming for: half of those that claims have of their own."""
        return max(1, self.handler.most_running // 2)

    def adapt(self) -> None:
        """Have as many places as the handler's speed asks for now."""
        self._ahead.adapt()

    def put_claimed(self, entry: HeldEntry) -> None:
        """Take in an entry that was claimed for this process.

        One that is on its way out was given up in the store a moment ago, and claimed before the
        reply to that was heard: it is taken in again as soon as it is let go. Any other that is
        held was recovered before the claim's reply was heard, or taken back from one that took it
        over: the run that it has here is the one it needs.
        """
        key = _key(entry)
        if not self._house.holds(*key):
            self.put(entry)
        elif key in self._leaving:
            self._again[key] = entry

    def gives_up(self, entry: HeldEntry) -> None:
        """Take note that the store is asked for a step after which an entry may be another's."""
        self._leaving.add(_key(entry))

    def keeps(self, entry: HeldEntry) -> None:
        """Take note that an entry has stayed in this process's hands after all."""
        self._leaving.discard(_key(entry))
        self._again.pop(_key(entry), None)

    def put(self, entry: HeldEntry) -> int:
        """Take in an entry and give its size in bytes; one that is held already is passed over."""
        size_bytes = self._take_note(entry)
        if size_bytes is None:
            return 0
        self.line_up(entry)
        return size_bytes

    def _take_note(self, entry: HeldEntry) -> int | None:
        size_bytes = self._house.hold(entry)
        if size_bytes is not None:
            self._held += 1
            self._held_bytes += size_bytes
        return size_bytes

    def line_up(self, entry: HeldEntry) -> None:
        """Have an entry that is held wait for a lane, and a suspect for its turn besides."""
        if entry.stream.key in self._house.resting:
            self._house.hold_back(self, entry)
            return
        (self._suspects if entry.suspicion.runs_alone else self._queue).append(entry)
        self._idle.wake()

    def line_up_anew(self, drain: Callable[[], list[HeldEntry]]) -> None:
        """Have everything that waits line up again, since some streams are paused now.

        Args:
            drain: Gives up what no lane has taken yet.
        """
        for entry in drain():
            self.end_alone(entry)
            self.line_up(entry)
        # One that stood back for a suspect that is held back now.
        self._house.wake_suspects()

    def line_up_again(self, entry: HeldEntry) -> None:
        """Have an entry wait again that was taken and not begun."""
        self.line_up(entry)

    async def take(self) -> HeldEntry:
        """Wait for the next entry to be handled.

        Of the suspects of the whole process one at a time is given out, until `end_alone`; those
        that wait for that hold no lane.
        """
        while True:
            if self._suspects and self._house.begin_alone(self, self._suspects[0]):
                entry = self._suspects.popleft()
                break
            if self._queue:
                entry = self._queue.popleft()
                break
            await self._idle.wait()
        if self._queue or self._suspects:
            self._idle.wake()
        return entry

    def end_alone(self, entry: HeldEntry) -> None:
        """Let the next suspect run, if this entry was the one that did."""
        self._house.end_alone(entry)

    @property
    def waits_for_turn(self) -> bool:
        """Whether a suspect would run here at once if it were its turn."""
        return bool(self._suspects) and self._idle.count > 0

    def wake_suspects(self) -> None:
        """Have the lanes look whether it is a suspect's turn."""
        if self._suspects:
            self._idle.wake()

    def drain(self) -> list[HeldEntry]:
        """Give up the entries that no lane has taken yet."""
        entries = [*self._queue, *self._suspects]
        self._queue.clear()
        self._suspects.clear()
        return entries

    def parked(self, entry: HeldEntry, delay_seconds: float) -> None:
        """Take note that the store keeps an entry for another attempt."""

    def let_go(self, entry: HeldEntry) -> None:
        """Give back an entry's place, once it is settled."""
        if self.give_back(entry):
            self.tell_of_room()

    def tell_of_room(self) -> None:
        """Tell those who wait for room, in any room of the process, that there is some."""
        self._house.tell_of_room()

    def give_back(self, entry: HeldEntry) -> bool:
        """Do the same without a word to those who wait for room: several at once need one.

        Returns:
            Whether it held a place.
        """
        if entry.suspicion.takeovers:
            self.end_alone(entry)
        size_bytes = self._house.let_go(entry)
        if size_bytes is None:
            return False
        self._held -= 1
        self._ahead.settled += 1
        self._held_bytes -= size_bytes
        if self._leaving:
            self._leaving.discard(_key(entry))
        if self._again and (again := self._again.pop(_key(entry), None)) is not None:
            self.put(again)
        return True


class House:
    """All rooms of one process.

    Args:
        handlers: One room is made for each.
        make_room: Makes it.
    """

    def __init__(
        self,
        handlers: Iterable[Handler],
        make_room: Callable[[Handler, "House"], Room] = Room,
    ) -> None:
        # With the size of each: it would take longer to count twice than to remember.
        self._held: dict[tuple[str, str], int] = {}
        self._watching: list[set[tuple[str, str]]] = []
        self._alone: HeldEntry | None = None
        self._last_alone: Room | None = None
        # Keys of streams that are paused, and what was read of them and must go back.
        self.resting: set[str] = set()
        self.held_back: list[tuple[Room, HeldEntry]] = []
        self.on_held_back: Callable[[], None] = lambda: None
        # Each is called when a place was given back.
        self.on_room: list[Callable[[], None]] = []
        self.rooms = [make_room(handler, self) for handler in handlers]
        self.room_bytes = MAX_HELD_BYTES // max(1, len(self.rooms))

    @contextmanager
    def watching(self) -> Iterator[set[tuple[str, str]]]:
        """Collect within the block what is let go, each as stream key and entry id."""
        gone = set[tuple[str, str]]()
        self._watching.append(gone)
        try:
            yield gone
        finally:
            # By what it is: two that hold the same are equal.
            self._watching = [each for each in self._watching if each is not gone]

    def hold_back(self, room: Room, entry: HeldEntry) -> None:
        """Take an entry of a paused stream out of its row; it keeps its place until it is gone."""
        room.gives_up(entry)
        self.held_back.append((room, entry))
        self.on_held_back()

    def begin_alone(self, room: Room, suspect: HeldEntry) -> bool:
        """Give a suspect its turn, if no other has it; rooms that want one take turns."""
        others = (other for other in self.rooms if other is not room)
        if self._alone is not None:
            return False
        if room is self._last_alone and any(other.waits_for_turn for other in others):
            return False
        self._alone, self._last_alone = suspect, room
        return True

    def end_alone(self, entry: HeldEntry) -> None:
        """End a suspect's turn; nothing happens if it has none."""
        if self._alone is entry:
            self._alone = None
            self.wake_suspects()

    def wake_suspects(self) -> None:
        """Have every room look whether it is a suspect's turn."""
        for room in self.rooms:
            room.wake_suspects()

    def holds(self, stream_key: str, entry_id: str) -> bool:
        """Tell whether an entry is in this process's hands."""
        return (stream_key, entry_id) in self._held

    def hold(self, entry: HeldEntry) -> int | None:
        """Take note of an entry and give its size in bytes; none where it is held already."""
        key = (entry.stream.key, entry.entry_id)
        if key in self._held:
            return None
        self._held[key] = size_bytes = entry.size_bytes
        return size_bytes

    def let_go(self, entry: HeldEntry) -> int | None:
        """Forget an entry and give its size in bytes; none where it was not held."""
        key = (entry.stream.key, entry.entry_id)
        size_bytes = self._held.pop(key, None)
        if self._watching and size_bytes is not None:
            for gone in self._watching:
                gone.add(key)
        return size_bytes

    def tell_of_room(self) -> None:
        """Tell those who wait for room that there is some."""
        for told in self.on_room:
            told()


def _key(entry: HeldEntry) -> tuple[str, str]:
    return entry.stream.key, entry.entry_id
