"""Bounds how often something is done in a minute, whoever asks for it."""

import time
from collections import deque
from collections.abc import Callable


class Pace:
    """Lets so many through within any minute.

    Args:
        per_minute: How many, 1 or more.
        clock: Monotonic seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken: deque[float] = deque(maxlen=per_minute)

    def take(self) -> bool:
        """Count one, if there is room for it.

        Returns:
            Whether it may be done.
        """
        now = self._clock()
        # When full, the oldest of them tells whether a minute holds all.
        if len(self._taken) == self._taken.maxlen and now - self._taken[0] < 60:
            return False
        self._taken.append(now)
        return True
