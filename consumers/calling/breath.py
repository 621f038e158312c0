"""Lets the event loop run while handlers that never wait follow one another.

A handler that waits for nothing gives no other task a turn: reads, acknowledgements and the
other handlers would stand still until the queue is empty.
"""

import asyncio
import time

# How long the loop may stand still for that; one turn costs about as much as a quick event.
STRETCH_SECONDS = 0.001


class Breath:
    """Knows since when the event loop has not run."""

    def __init__(self) -> None:
        self._since = 0.0
        self._is_listening = False

    def is_due(self) -> bool:
        """Tell whether the caller should let the loop run, by ``asyncio.sleep(0)``."""
        now = time.monotonic()
        if self._is_listening:
            return now - self._since > STRETCH_SECONDS
        # Is called in the loop's next turn, so that whoever waits anyway need not do it twice.
        self._is_listening, self._since = True, now
        asyncio.get_running_loop().call_soon(self._loop_runs)
        return False

    def _loop_runs(self) -> None:
        self._is_listening = False
