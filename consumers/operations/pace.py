"""How fast an operation may go on: so many entries per second, evenly."""

import asyncio
import time
from collections.abc import Awaitable, Callable

# What goes at once is at most a fifth of a second's share, so that handlers are not flooded.
SHARE_SECONDS = 0.2


class Pace:
    """Holds an operation back that goes faster than it may.

    Time in which less was done than allowed is not made up for: after a pause it goes on as
    slowly as before.

    Args:
        per_second: How many, above 0; none for as fast as it goes.
        clock: Monotonic seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        per_second: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()

    def share(self, most: int) -> int:
        """Say how many may go at once, 1 to ``most``."""
        if self._per_second is None:
            return most
        return max(1, min(most, int(self._per_second * SHARE_SECONDS)))

    async def wait(self) -> None:
        """Wait until the next may go."""
        remaining = self._free_at - self._clock()
        if remaining > 0:
            await self._sleep(remaining)

    def spend(self, count: int) -> None:
        """Note that so many have gone."""
        if self._per_second is not None:
            self._free_at = max(self._free_at, self._clock()) + count / self._per_second
