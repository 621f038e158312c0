"""How many entries wait in a process for a handler, besides those that it is busy with.

A handler that takes a second for an event should not keep a hundred others from the processes
beside it for long; one that takes microseconds would wait for the store most of the time if it
had no more than that in hand. So where nothing is declared, it is as many as the handler gets
through in a moment.
"""

import time
from collections.abc import Callable

# What waits where nothing is declared: at least so many, and at most.
LEAST, MOST = 100, 1000
# How much of its work lies ready for a quick handler: some trips to the store and back.
MOMENT_SECONDS = 0.05


class ReadAhead:
    """Counts what a handler has settled, and says how many entries may wait for it.

    Args:
        declared: What the handler's declaration says; none where it leaves that to its speed.
        clock: Monotonic seconds.
    """

    def __init__(self, declared: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_fixed = declared is not None
        self._clock = clock
        self._since = clock()
        self.entries = LEAST if declared is None else declared
        # How many entries were settled since it was adapted.
        self.settled = 0

    def adapt(self) -> None:
        """Look how quick the handler is, where a moment has passed since the last look."""
        passed_seconds = self._clock() - self._since
        if self._is_fixed or passed_seconds < MOMENT_SECONDS:
            return
        in_a_moment = int(self.settled / passed_seconds * MOMENT_SECONDS)
        self.entries = max(LEAST, min(MOST, in_a_moment))
        self._since += passed_seconds
        self.settled = 0
