"""Stream in, handler out: exactly one for each stream, the most specific.

Knows which streams this process reads, as they come to be known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consumers.rooms import Room
from relay.contract.paused import Pause
from relay.contract.stream import Stream


@dataclass(slots=True)
class Routes:
    """The streams this process reads, and whose room each leads to.

    Args:
        rooms: One for each handler.
        streams: By key, in the order in which they became known.
        resting: Keys of those that are paused; they stay known, and are left out of all else.
        pauses: What is paused in this group.
    """

    rooms: list[Room]
    streams: dict[str, tuple[Stream, Room]] = field(default_factory=dict)
    resting: set[str] = field(default_factory=set)
    pauses: Sequence[Pause] = ()

    def room_for(self, stream: Stream) -> Room | None:
        """Give the room of the handler that a stream's events go to, if there is one."""
        matching = [
            room
            for room in self.rooms
            if room.handler.pattern.matches(stream.endpoint, stream.event_type)
        ]
        return max(matching, key=lambda room: room.handler.pattern.specificity, default=None)

    def add(self, stream: Stream) -> bool:
        """Begin to read a stream; false where it is read already or nobody handles it."""
        if stream.key in self.streams:
            return False
        room = self.room_for(stream)
        if room is None:
            return False
        self.streams[stream.key] = (stream, room)
        if self._is_paused(stream):
            self.resting.add(stream.key)
        return True

    def remove(self, stream: Stream) -> None:
        """Stop reading a stream that is gone; it is found again if it comes back."""
        self.streams.pop(stream.key, None)
        self.resting.discard(stream.key)

    def rest(self, pauses: Sequence[Pause]) -> tuple[set[str], set[str]]:
        """Take note of what is paused.

        Args:
            pauses: All that is paused in this group.

        Returns:
            The keys of the streams that are left out from now on, and of those that are not any
            more.
        """
        self.pauses = pauses
        before = set(self.resting)
        now = {stream.key for stream, _ in self.streams.values() if self._is_paused(stream)}
        # The same set, since the rooms look into it.
        self.resting.clear()
        self.resting |= now
        return now - before, before - now

    def _is_paused(self, stream: Stream) -> bool:
        return any(pause.means(stream) for pause in self.pauses)

    def _awake(self) -> list[tuple[Stream, Room]]:
        return [each for each in self.streams.values() if each[0].key not in self.resting]

    @property
    def shared(self) -> list[tuple[Stream, Room]]:
        """The streams that all processes of the group read side by side."""
        return [each for each in self._awake() if not is_ordered(*each)]

    @property
    def ordered(self) -> list[tuple[Stream, Room]]:
        """The streams that one process of the group reads at a time."""
        return [each for each in self._awake() if is_ordered(*each)]

    @property
    def shared_tags(self) -> set[str]:
        """The tags of such streams, of paused ones too."""
        return {each[0].tag for each in self.streams.values() if not is_ordered(*each)}

    def by_tag(self, *, ordered: bool = False) -> dict[str, list[tuple[Stream, Room]]]:
        """Give the shared streams grouped by tag, and where it is wanted the ordered ones too."""
        tags: dict[str, list[tuple[Stream, Room]]] = {}
        for stream, room in [*self.shared, *(self.ordered if ordered else ())]:
            tags.setdefault(stream.tag, []).append((stream, room))
        return tags


def is_ordered(stream: Stream, room: Room) -> bool:
    """Tell whether one process of the group reads a stream at a time."""
    # What is given again has left its place, and has no order to keep.
    return room.handler.order_by is not None and not stream.again
