"""The time of an event loop, moved: where all that is left to do is wait, it is over at once.

Only the running loop's time is moved, which sleeps, timeouts and delays go by. ``time.time`` and
``time.monotonic`` stay what they are.
"""

import asyncio
import math
import time
from asyncio.base_events import BaseEventLoop
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import BaseSelector, SelectorKey
from typing import Any, cast

# The one that wakes the loop from other threads.
OWN_SOCKETS = 1

Ready = list[tuple[SelectorKey, int]]


class MovedClock:
    """Moves one loop's time.

    It jumps to the next due time when nothing outside of the loop is waited for: no thread, no
    socket while a handler runs. What is outside takes no time of this clock as long as it answers;
    what does not answer takes as long as it does.

    Args:
        loop: One of asyncio's own.
    """

    def __init__(self, loop: BaseEventLoop) -> None:
        self._loop = loop
        self._selector = cast("BaseSelector", loop._selector)  # type: ignore[attr-defined]  # noqa: SLF001 - nothing else sees what a loop waits for
        self._select = self._selector.select
        self._run_in_executor = loop.run_in_executor
        self._real_time = loop.time
        # The loop's time must never run back, so it stays ahead by what was jumped.
        self._ahead = 0.0
        self._now: float | None = None
        self._wall_ahead = 0.0
        self._waited = 0.0
        self._handlers = 0
        self._outside = 0
        loop.time = self.time  # type: ignore[method-assign]

    def time(self) -> float:
        """Say what the loop's time is."""
        return self._real_time() + self._ahead if self._now is None else self._now

    def wall(self) -> float:
        """Say what the moved time of day is, seconds since the epoch."""
        return self.time() + self._wall_ahead

    @contextmanager
    def moving(self, wall: float) -> Iterator[None]:
        """Have the time move within the block.

        Args:
            wall: What time of day it begins at, seconds since the epoch.

        Raises:
            RuntimeError: It moves already.
        """
        if self._now is not None:
            raise RuntimeError("one run at a time in an event loop: await them one by one")
        self._now = self.time()
        self._wall_ahead = wall - self._now
        self._selector.select = self._wait  # type: ignore[method-assign]
        self._loop.run_in_executor = self._counted  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            del self._selector.select
            del self._loop.run_in_executor
            self._ahead = self._now - self._real_time()
            self._now = None

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Count a handler that runs: sockets may be what it waits for."""
        self._handlers += 1
        try:
            yield
        finally:
            self._handlers -= 1

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Have the time not jump within the block: threads that nobody sees are at work."""
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1

    def _wait(self, timeout: float | None = None) -> Ready:
        if timeout is None or timeout <= 0:
            return self._select(timeout)
        ready = self._select(0)
        if ready:
            return ready
        if self._waits_outside():
            before = time.monotonic()
            ready = self._select(max(0.0, timeout - self._waited))
            self._waited += time.monotonic() - before
            if ready:
                return ready
        self._waited = 0.0
        self._jump(timeout)
        return ready

    def _waits_outside(self) -> bool:
        sockets = len(self._selector.get_map()) > OWN_SOCKETS
        return self._outside > 0 or (self._handlers > 0 and sockets)

    def _jump(self, seconds: float) -> None:
        # A little behind the due time: at exactly that time the loop may find it not due yet.
        assert self._now is not None  # noqa: S101 - only called within `moving`
        later = math.nextafter(self._now + seconds, math.inf)
        self._now = math.nextafter(later, math.inf)

    def _counted(self, *args: Any) -> "asyncio.Future[Any]":  # noqa: ANN401 - passed on
        run = self._run_in_executor(*args)
        self._outside += 1
        run.add_done_callback(self._returned)
        return run

    def _returned(self, _: "asyncio.Future[Any]") -> None:
        self._outside -= 1


def moved_clock() -> MovedClock:
    """Give the clock that moves the running loop's time.

    Raises:
        RuntimeError: The loop is none of asyncio's own, whose time cannot be moved.
    """
    loop = asyncio.get_running_loop()
    # It goes on to be the loop's after a run: a time that ran back would hold up what waits.
    found = getattr(loop.time, "__self__", None)
    if isinstance(found, MovedClock):
        return found
    if not isinstance(loop, BaseEventLoop) or not hasattr(loop, "_selector"):
        raise RuntimeError(
            f"the time of {type(loop).__module__}.{type(loop).__name__} cannot be moved: run the "
            "test in asyncio's own event loop, or use consumers.testing.run in a plain test"
        )
    return MovedClock(loop)
