"""Event in, held entry out: what the store, the reader and the routes make of an event."""

from consumers.dispatch import Routes
from consumers.entry import HeldEntry, History
from consumers.event import Event
from consumers.order.key import LaneOf, lane_of
from consumers.rooms import Room
from relay.contract.entry import encode
from relay.contract.keys import Keys
from relay.contract.stream import Stream


class Source:
    """Gives events their places in streams, and finds the room that each stream leads to.

    Args:
        routes: Knows the rooms.
        keys: Makes the streams' keys.
    """

    def __init__(self, routes: Routes, keys: Keys) -> None:
        self._routes = routes
        self._keys = keys
        self._last: dict[str, tuple[int, int]] = {}
        self._lanes: dict[int, LaneOf] = {}

    def place(self, event: Event, stored_at_ms: int) -> tuple[HeldEntry, Room] | None:
        """Append an event to its stream, and read it.

        Args:
            event: With the history that its ``attempt`` speaks of.
            stored_at_ms: When it comes into the stream, ms since the epoch.

        Returns:
            The entry and its room; none where no handler's pattern matches.
        """
        tag, event_type = event.endpoint, event.type
        stream = Stream(tag, event_type, self._keys.stream(tag, event_type))
        room = self._routes.room_for(stream)
        if room is None:
            return None
        entry_id = self._next_id(stream, stored_at_ms)
        flat = [part if isinstance(part, bytes) else part.encode() for part in encode(event.stored)]
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        history = History(attempts=event.attempt - 1, first_seen=event.first_seen)
        lane = self._lane_of(room)(entry_id, fields)
        return HeldEntry(stream, entry_id, fields, history, lane=lane), room

    def _next_id(self, stream: Stream, stored_at_ms: int) -> str:
        last_ms, number = self._last.get(stream.key, (-1, 0))
        at = (stored_at_ms, 0) if stored_at_ms > last_ms else (last_ms, number + 1)
        self._last[stream.key] = at
        return f"{at[0]}-{at[1]}"

    def _lane_of(self, room: Room) -> LaneOf:
        order_by = room.handler.order_by
        if order_by is None:
            return lambda _entry_id, _fields: ""
        return self._lanes.setdefault(id(room), lane_of(order_by))
