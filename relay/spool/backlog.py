"""How many events of each stream are in the spool, and who waits behind the last of them.

While a stream has events here its new ones go the same way, or they would overtake. A stream that
gets events all the time would never be rid of them so: when the last few are on their way to the
store, newcomers wait in line for them for that moment, and then go to the store themselves.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

from relay.contract.event import Appended, Duplicate, IdentifiedEvent, Spooled
from relay.spool.row import Stream, stream_of

Result = asyncio.Future[Appended | Duplicate] | asyncio.Future[Spooled]
# An event that waits for its turn, and who is told which way it went.
Turn = tuple[IdentifiedEvent, asyncio.Future[Result]]


class Backlog:
    """Counts events by stream, from the moment in which they are handed over to be written."""

    def __init__(self) -> None:
        self._counts: Counter[Stream] = Counter()
        self._lines: dict[Stream, list[Turn]] = {}
        self.events = 0

    def __contains__(self, stream: Stream) -> bool:
        return stream in self._counts or stream in self._lines

    def count(self, stream: Stream) -> int:
        """Say how many of a stream there are."""
        return self._counts.get(stream, 0)

    def add(self, stream: Stream, events: int = 1) -> None:
        """Count events that came."""
        self._counts[stream] += events
        self.events += events

    def take(self, stream: Stream, events: int = 1) -> None:
        """Count events that went; one that was refused and is on the disk all the same was not."""
        events = min(events, self.count(stream))
        self.events -= events
        self._counts[stream] -= events
        if self._counts[stream] <= 0:
            del self._counts[stream]

    @property
    def streams(self) -> list[Stream]:
        """All streams of which there are events."""
        return list(self._counts)

    @property
    def lines(self) -> list[Stream]:
        """The streams whose newcomers wait in line."""
        return list(self._lines)

    def has_line(self, stream: Stream) -> bool:
        """Say whether a stream's newcomers wait in line."""
        return stream in self._lines

    def form_lines(self, but: Iterable[Stream]) -> None:
        """Have the newcomers of every stream wait in line from now on.

        Args:
            but: Streams whose last events are not on their way.
        """
        for stream in self._counts.keys() - set(but):
            self._lines.setdefault(stream, [])

    def join(self, identified: IdentifiedEvent) -> asyncio.Future[Result] | None:
        """Wait in line, if there is one; the future says which way the event went."""
        line = self._lines.get(stream_of(identified))
        if line is None:
            return None
        turn: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        line.append((identified, turn))
        return turn

    def dissolve(self, stream: Stream) -> list[Turn]:
        """End a line, and give those in it, in order; they must all be told."""
        return self._lines.pop(stream, [])
