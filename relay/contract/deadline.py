"""Ends runs that take longer than they may, where all have the same limit.

They are due in the order in which they began, so one timer for the first of them does for all. A
timer of its own would cost each run more than all else that is done around a quick handler, or
around a quick answer of the store.

Source: asyncio.timeout, which the outcome for whoever is cancelled is the same as.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

# How long after its time a coroutine that has not ended is reported.
OVERDUE_SECONDS = 1.0


class Deadlines:
    """Knows the runs of one kind that are under way.

    Args:
        limit_seconds: How long each may take.
        say_overdue: Is given what a run was given that has not ended a while after its time: a
            coroutine that swallows its cancellation would go on unseen.
    """

    def __init__(
        self, limit_seconds: float, say_overdue: Callable[[Any], None] = lambda _: None
    ) -> None:
        self.limit_seconds = limit_seconds
        self.say_overdue = say_overdue
        # In the order in which they began.
        self.running: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def of(self, task: asyncio.Task[Any], given: object = None) -> "Deadline":
        """Give a block whose time is limited; it raises ``TimeoutError`` where that is over.

        Args:
            task: Enters the block.
            given: What the run was given.
        """
        return Deadline(self, task, given)

    def watch(self) -> None:
        """Have a timer run, where none does."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.limit_seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for deadline in list(self.running):
            left_seconds = deadline.ends_at - now
            if left_seconds > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(left_seconds, self._look)
                return
            del self.running[deadline]
            deadline.expire()


class Deadline:
    """One run, as a block.

    Args:
        deadlines: Of the handler.
        task: Enters the block.
        given: What the run was given.
    """

    __slots__ = ("_cancelling", "_deadlines", "_given", "_overdue", "_task", "ends_at")

    def __init__(self, deadlines: Deadlines, task: asyncio.Task[Any], given: object) -> None:
        self._deadlines = deadlines
        self._task = task
        self._given = given
        self._overdue: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._cancelling = self._task.cancelling()
        self.ends_at = self._task.get_loop().time() + self._deadlines.limit_seconds
        self._deadlines.running[self] = None
        self._deadlines.watch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._overdue is None:
            del self._deadlines.running[self]
            return
        self._overdue.cancel()
        # One that was cancelled by others as well goes on being cancelled.
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the run, and have it reported where it goes on all the same."""
        self._task.cancel()
        loop = asyncio.get_running_loop()
        self._overdue = loop.call_later(OVERDUE_SECONDS, self._deadlines.say_overdue, self._given)
