"""Bounds how many deliveries an endpoint takes per second, where its operator wants that.

Only what is genuine counts: a stranger cannot use up a sender's rate.
"""

import math
import time
from collections.abc import Callable

from relay.contract.errors import RateLimited


class Rate:
    """A bucket that fills evenly; each delivery takes one from it.

    Args:
        per_second: How fast it fills, more than 0.
        burst: How much it holds, 1 or more; it begins full.
        clock: Monotonic seconds.
    """

    def __init__(
        self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def take(self) -> None:
        """Count one delivery.

        Raises:
            RateLimited: There is none left; with the seconds after which there is one again.
        """
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            raise RateLimited(math.ceil((1 - self._left) / self._per_second))
        self._left -= 1
