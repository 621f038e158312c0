"""The lanes of a room that have nothing to do; each entry that comes wakes one.

Were all of them woken, an event would cost as many turns of the event loop as lanes are idle.
Whoever was woken and finds more than one entry wakes the next: as many lanes work as are needed.
"""

import asyncio
from collections import deque


class IdleLanes:
    """Lets lanes wait, and wakes one at a time."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        # The one that was woken and has not gone on yet. It will wake the next, if there is more.
        self._woken: asyncio.Future[None] | None = None
        # That one among them.
        self.count = 0

    async def wait(self) -> None:
        """Wait to be woken."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        self.count += 1
        try:
            await mine
        except asyncio.CancelledError:
            if self._woken is mine:  # another must go on in its place
                self._woken = None
                self.wake()
            raise
        finally:
            self.count -= 1
            if self._woken is mine:
                self._woken = None

    def wake(self) -> None:
        """Have one lane look again, if one waits."""
        while self._waiting and self._woken is None:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(None)
                self._woken = first
