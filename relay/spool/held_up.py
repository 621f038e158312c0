"""Streams that the store refuses, while others go on: when each is tried again, and how far.

One event is tried first: if it is refused again, none behind it may go.
"""

import time
from collections.abc import Callable

from relay.spool.row import Stream

FIRST_PAUSE_SECONDS = 0.2
LAST_PAUSE_SECONDS = 5.0


class HeldUp:
    """Knows the streams that are held up.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Of each, when it is due, and how often it was refused since an event went.
        self._streams: dict[Stream, tuple[float, int]] = {}
        # The word of the store by stream.
        self.reasons: dict[Stream, str] = {}
        # Those that nobody refused: their server is away.
        self._passed_over: set[Stream] = set()

    @property
    def streams(self) -> set[Stream]:
        """All of them."""
        return set(self._streams)

    def __contains__(self, stream: Stream) -> bool:
        return stream in self._streams

    def add(self, stream: Stream, reason: str) -> bool:
        """Hold a stream up for a while, longer each time, and tell whether that is news."""
        is_news = stream not in self._streams or stream in self._passed_over
        self._passed_over.discard(stream)
        self.reasons[stream] = reason
        _, refused = self._streams.get(stream, (0.0, 0))
        pause = min(FIRST_PAUSE_SECONDS * 2**refused, LAST_PAUSE_SECONDS)
        self._streams[stream] = self._clock() + pause, min(refused + 1, 10)
        return is_news

    def pass_over(self, stream: Stream, reason: str) -> None:
        """Hold a stream up that is not worth trying now, and may be tried whenever it is.

        Behind the others: a server that fails each time must not keep those of another waiting.
        """
        now = self._clock()
        if stream in self._streams:
            due, refused = self._streams[stream]
            self._streams[stream] = max(due, now), refused
            return
        self._streams[stream] = now, 0
        self._passed_over.add(stream)
        self.reasons[stream] = reason

    def due(self) -> list[Stream]:
        """Name those that may be tried again now, the one that has waited longest first."""
        now = self._clock()
        return sorted(
            (stream for stream, (due, _) in self._streams.items() if due <= now),
            key=lambda stream: self._streams[stream],
        )

    def limit(self, stream: Stream, most: int) -> int:
        """Say how many events of a stream may be tried."""
        _, refused = self._streams[stream]
        return 1 if refused else most

    def went(self, stream: Stream) -> None:
        """An event of a stream was taken: the others that were passed over may follow at once."""
        if stream in self._streams:
            self._streams[stream] = self._clock(), 0

    def release(self, stream: Stream) -> None:
        """Let a stream go its way: nothing of it was passed over any more."""
        self._streams.pop(stream, None)
        self.reasons.pop(stream, None)
        self._passed_over.discard(stream)
