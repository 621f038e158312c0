"""How many runs a handler may begin in a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from consumers.retry import is_finite, is_whole


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many runs in so many seconds, in each process.

    They begin evenly; after a pause up to ``runs`` of them begin at once.

    Args:
        runs: How many, 1 or more.
        per_seconds: In how long, above 0.
    """

    runs: int
    per_seconds: float = 1.0

    def __post_init__(self) -> None:
        if not is_whole(self.runs, at_least=1):
            raise ValueError("Rate(runs=…) must be a whole number, 1 or more")
        if not (is_finite(self.per_seconds) and self.per_seconds > 0):
            raise ValueError("Rate(per_seconds=…) must be a number of seconds above 0")


class Bucket:
    """Holds back what comes faster than its rate.

    Args:
        rate: How fast it fills; it begins full, and holds ``rate.runs``.
        clock: Monotonic seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        rate: Rate,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._left = float(rate.runs)
        self._at = clock()

    async def wait(self) -> None:
        """Wait until there is one to take. One at a time may wait."""
        self._fill()
        # A little less counts as one: what was slept for may be lost in rounding.
        while self._left < 1 - 1e-9:
            await self._sleep((1 - self._left) * self._rate.per_seconds / self._rate.runs)
            self._fill()

    def take(self) -> None:
        """Count a run that begins."""
        self._fill()
        self._left -= 1

    def _fill(self) -> None:
        now = self._clock()
        new = (now - self._at) * self._rate.runs / self._rate.per_seconds
        self._left = min(float(self._rate.runs), self._left + new)
        self._at = now
