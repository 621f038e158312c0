"""The room of an ordered handler: a lane for each order key, one entry of a lane at a time.

What waits behind a failed entry goes to the store, so it holds no place here. Which lanes the
store holds something of is known here; moving entries there and back is the ordered reader's.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from consumers.entry import HeldEntry
from consumers.rooms import House, Room
from consumers.worker import Handler
from relay.contract.stream import Stream

# How long an entry may be busy before those behind it may have to make room for other lanes.
SLOW_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class Lane:
    """The entries with one order key in one stream.

    Args:
        stream: Which stream.
        name: What the key has become (`consumers.order.key`).
        waiting: Those in this process that are not handled yet.
        busy: The one that is handled now.
        busy_since: Since when, monotonic seconds.
        stored: Whether the store's lane holds entries that come before any that is read now.
        leaving: How many of its entries are on their way there.
        due_at: When the store may be asked for the next of them, monotonic seconds.
        ready: Whether it stands in the row for the next free task.
        asking: Whether it stands in the row for entries from the store.
    """

    stream: Stream
    name: str
    waiting: deque[HeldEntry] = field(default_factory=deque)
    busy: HeldEntry | None = None
    busy_since: float = 0.0
    stored: bool = False
    leaving: int = 0
    due_at: float = 0.0
    ready: bool = False
    asking: bool = False

    def handles(self, entry: HeldEntry) -> bool:
        """Whether an entry is the one that is handled now, also where more is known of it since."""
        return self.busy is not None and self.busy.entry_id == entry.entry_id

    @property
    def wants_more(self) -> bool:
        """Whether the next entry must come from the store, and nothing is on its way there."""
        return self.stored and self.busy is None and not self.waiting and not self.leaving


class Lanes(Room):
    """The entries held for one ordered handler.

    Args:
        handler: Whose they are.
        house: All rooms of the process.
        clock: Monotonic seconds.
    """

    def __init__(
        self, handler: Handler, house: House, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(handler, house)
        self._clock = clock
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._ready: deque[Lane] = deque()
        # A heap: when the store may be asked, a number that decides between equals, the lane.
        self._asking: list[tuple[float, int, Lane]] = []
        self._numbers = count()
        # By the key of the stream.
        self._surplus: dict[str, list[HeldEntry]] = {}
        self._standing_back = False
        # Lanes whose next entry is a suspect that waits for its turn.
        self._suspected: set[Lane] = set()
        self.on_change: Callable[[], None] = lambda: None

    async def take(self) -> HeldEntry:
        """Wait for an entry that is the next of its lane."""
        while True:
            entry = self._next()
            if entry is not None:
                if self._ready:
                    self._idle.wake()
                return entry
            await self._idle.wait()

    @property
    def waits_for_turn(self) -> bool:
        """Whether a suspect would run here at once if it were its turn."""
        return self._idle.count > 0 and any(lane.waiting for lane in self._suspected)

    def wake_suspects(self) -> None:
        """Have the lanes look whether it is a suspect's turn."""
        self._suspected = {lane for lane in self._suspected if lane.waiting}
        for lane in self._suspected:
            self._line_up_lane(lane)

    def drain(self) -> list[HeldEntry]:
        """Give up the entries that are not being handled."""
        entries = [entry for surplus in self._surplus.values() for entry in surplus]
        self._surplus.clear()
        for lane in self._lanes.values():
            entries += lane.waiting
            lane.waiting.clear()
            lane.leaving = 0
        return entries

    def give_back(self, entry: HeldEntry) -> bool:
        """Give back an entry's place; the next of its lane may begin."""
        was_held = super().give_back(entry)
        stream, name = _lane_of(entry)
        lane = self._lanes.get((stream.key, name))
        if lane is not None and lane.handles(entry):
            lane.busy = None
            self._go_on(lane)
        return was_held

    def parked(self, entry: HeldEntry, delay_seconds: float) -> None:
        """Have a lane wait for its first entry, which will be tried again."""
        stream, name = _lane_of(entry)
        lane = self._lanes.get((stream.key, name))
        if lane is not None and lane.handles(entry):
            lane.due_at = self._clock() + delay_seconds
            self._send_waiting_away(lane)

    def waits_in_store(self, stream: Stream, name: str) -> None:
        """Take note that the store's lane holds entries."""
        lane = self._lane(stream, name)
        if not lane.stored:
            self._send_waiting_away(lane)

    def drawn(
        self, lane: Lane, entries: list[HeldEntry], wait_seconds: float, *, more: bool
    ) -> None:
        """Take in what the store's lane gave.

        Args:
            lane: Which asked.
            entries: Its next ones.
            wait_seconds: In how long there will be another, where there is none now.
            more: Whether the store's lane holds more.
        """
        lane.due_at = self._clock() + wait_seconds
        lane.stored = more or lane.leaving > 0
        for entry in entries:
            if self._take_note(entry) is not None:
                lane.waiting.append(entry)
        self._go_on(lane)

    def surplus(self, stream: Stream) -> list[HeldEntry]:
        """Give the entries of a stream that belong into the store's lanes, oldest first."""
        return list(self._surplus.get(stream.key, ()))

    def put_away(self, stream: Stream, entries: list[HeldEntry]) -> None:
        """Give back the places of entries that the store's lanes have now.

        Args:
            stream: Which stream.
            entries: The first of `surplus`.
        """
        self._surplus[stream.key] = self._surplus[stream.key][len(entries) :]
        for entry in entries:
            super().give_back(entry)
            lane = self._lane(*_lane_of(entry))
            lane.leaving -= 1
            self.ask(lane)
        self.tell_of_room()

    def wanting(self, most: int) -> list[Lane]:
        """Give lanes whose next entry must come from the store, and may now.

        Each of them is to be answered by `drawn`, or asks again by `ask`.
        """
        now = self._clock()
        found: list[Lane] = []
        while self._asking and len(found) < most and self._asking[0][0] <= now:
            lane = heapq.heappop(self._asking)[2]
            lane.asking = False
            if lane.due_at > now:
                self.ask(lane)
            elif lane.wants_more:
                found.append(lane)
        return found

    def ask(self, lane: Lane, delay_seconds: float = 0.0) -> None:
        """Have a lane ask the store for its next entry when that is due, at the earliest then."""
        if delay_seconds:
            lane.due_at = max(lane.due_at, self._clock() + delay_seconds)
        if lane.wants_more and not lane.asking:
            lane.asking = True
            heapq.heappush(self._asking, (lane.due_at, next(self._numbers), lane))
            self.on_change()

    def ask_all(self, stream: Stream) -> None:
        """Have every lane of a stream ask that waits for the store: an answer may be lost."""
        for lane in self._lanes.values():
            if lane.stream == stream:
                self.ask(lane)

    def next_due_seconds(self) -> float | None:
        """Say in how long the next lane may ask the store; none where none will."""
        return max(0.0, self._asking[0][0] - self._clock()) if self._asking else None

    def make_room(self) -> None:
        """Where slow lanes hold every place and others could work, send those behind away."""
        busy = [lane for lane in self._lanes.values() if lane.busy is not None]
        if self.free or self._ready or len(busy) >= self.handler.concurrency:
            return
        slow_since = self._clock() - SLOW_SECONDS
        for lane in busy:
            if lane.waiting and lane.busy_since <= slow_since:
                self._send_waiting_away(lane)

    def send_all_away(self, stream: Stream) -> bool:
        """Have all of a stream wait in the store; say whether nothing of it is being handled."""
        lanes = [lane for lane in self._lanes.values() if lane.stream == stream]
        for lane in lanes:
            if lane.waiting:
                self._send_waiting_away(lane)
        return all(lane.busy is None and not lane.leaving for lane in lanes)

    def being_handled(self, stream: Stream) -> list[HeldEntry]:
        """Give the entries of a stream that have begun and are not let go."""
        lanes = [lane for lane in self._lanes.values() if lane.stream == stream]
        return [lane.busy for lane in lanes if lane.busy is not None]

    def stand_up(self) -> None:
        """Look again at entries that were not begun since their stream seemed to be lost."""
        if self._standing_back:
            self._standing_back = False
            for lane in self._lanes.values():
                self._line_up_lane(lane)

    def line_up_anew(
        self,
        drain: Callable[[], list[HeldEntry]],  # noqa: ARG002 - what waits in order must stay there
    ) -> None:
        """Have nothing wait here of streams that are paused."""
        for lane in list(self._lanes.values()):
            if lane.waiting and lane.stream.key in self._house.resting:
                self._rest(lane)

    def lose(self, stream: Stream) -> None:
        """Forget what is not being handled of a stream that has another owner now."""
        lost = self._surplus.pop(stream.key, [])
        for lane in [lane for lane in self._lanes.values() if lane.stream == stream]:
            lost += lane.waiting
            lane.waiting.clear()
            lane.stored, lane.leaving = False, 0
            self._go_on(lane)
        for entry in lost:
            super().give_back(entry)
        self.tell_of_room()

    def line_up(self, entry: HeldEntry) -> None:
        """Have an entry that is held wait in its lane."""
        lane = self._lane(*_lane_of(entry))
        if lane.stored:
            self._send_away(lane, entry)
        else:
            lane.waiting.append(entry)
            self._line_up_lane(lane)

    def line_up_again(self, entry: HeldEntry) -> None:
        """Have an entry be the next of its lane again."""
        lane = self._lane(*_lane_of(entry))
        if lane.busy is entry:
            lane.busy = None
        lane.waiting.appendleft(entry)
        self._line_up_lane(lane)

    def _lane(self, stream: Stream, name: str) -> Lane:
        key = (stream.key, name)
        found = self._lanes.get(key)
        if found is None:
            found = self._lanes[key] = Lane(stream, name)
        return found

    def _line_up_lane(self, lane: Lane) -> None:
        if lane.waiting and lane.busy is None and not lane.ready:
            lane.ready = True
            self._ready.append(lane)
            self._idle.wake()

    def _next(self) -> HeldEntry | None:
        while self._ready:
            lane = self._ready.popleft()
            lane.ready = False
            if not lane.waiting or lane.busy is not None:
                continue
            head = lane.waiting[0]
            if head.stream.key in self._house.resting:
                self._rest(lane)
                continue
            # What has no order is begun like any other; its lease would stay lost for ever.
            if head.lane and head.lease.is_lost():
                # Another may be handling it. The ordered reader finds out.
                self._standing_back = True
                continue
            if not self._may_begin(lane):
                continue
            lane.busy = lane.waiting.popleft()
            lane.busy_since = self._clock()
            return lane.busy
        return None

    def _may_begin(self, lane: Lane) -> bool:
        """Tell whether a lane's next entry may run now: a suspect waits for its turn."""
        entry = lane.waiting[0]
        self._suspected.discard(lane)
        if entry.suspicion.runs_alone and not self._house.begin_alone(self, entry):
            self._suspected.add(lane)
            return False
        return True

    def _send_away(self, lane: Lane, *entries: HeldEntry) -> None:
        """Have entries wait in the store, and all that would be read after them."""
        lane.stored = True
        lane.leaving += len(entries)
        self._surplus.setdefault(lane.stream.key, []).extend(entries)
        self.ask(lane)
        self.on_change()

    def _send_waiting_away(self, lane: Lane) -> None:
        waiting = list(lane.waiting)
        lane.waiting.clear()
        self._send_away(lane, *waiting)

    def _rest(self, lane: Lane) -> None:
        """Have what waits in a lane go back: its stream is paused."""
        if lane.waiting[0].lane:
            self._send_waiting_away(lane)
            return
        for entry in lane.waiting:
            self._house.hold_back(self, entry)
        lane.waiting.clear()
        self._go_on(lane)

    def _go_on(self, lane: Lane) -> None:
        if lane.waiting:
            self._line_up_lane(lane)
        elif lane.stored:
            self.ask(lane)
        elif lane.busy is None:
            self._lanes.pop((lane.stream.key, lane.name), None)


def _lane_of(entry: HeldEntry) -> tuple[Stream, str]:
    # What has no order has a lane of its own.
    return entry.stream, entry.lane or entry.entry_id


def make_room(handler: Handler, house: House) -> Room:
    """Make the room that a handler needs."""
    return Room(handler, house) if handler.order_by is None else Lanes(handler, house)
