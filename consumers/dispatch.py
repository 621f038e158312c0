"""Stream in, handler out: exactly one for each stream, the most specific.

Knows which streams this process reads, as they come to be known.
"""

from dataclasses import dataclass, field

from consumers.rooms import Room
from relay.contract.stream import Stream


@dataclass(slots=True)
class Routes:
    """The streams this process reads, and whose room each leads to.

    Args:
        rooms: One for each handler.
        streams: By key, in the order in which they became known.
    """

    rooms: list[Room]
    streams: dict[str, tuple[Stream, Room]] = field(default_factory=dict)

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
        return True

    def remove(self, stream: Stream) -> None:
        """Stop reading a stream that is gone; it is found again if it comes back."""
        self.streams.pop(stream.key, None)

    @property
    def shared(self) -> list[tuple[Stream, Room]]:
        """The streams that all processes of the group read side by side."""
        return [each for each in self.streams.values() if not is_ordered(*each)]

    @property
    def ordered(self) -> list[tuple[Stream, Room]]:
        """The streams that one process of the group reads at a time."""
        return [each for each in self.streams.values() if is_ordered(*each)]

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
