"""Waiting for a condition, so that no test sleeps for a fixed time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

# The outer limit, for a machine that is slow or stands still for a while.
DEADLINE_SECONDS = 30.0
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.2
# How much longer than the asking the pause is: whom we wait for needs the processor too.
PAUSE_RATIO = 4


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
    description: str,
) -> None:
    """Return as soon as a condition holds.

    Args:
        condition: Asked again and again; may be asynchronous.
        deadline_seconds: After this long the test has failed.
        description: What was waited for, said when it did not come.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_seconds
    while True:
        asked_at = loop.time()
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        now = loop.time()
        if now > end:
            raise AssertionError(f"not within {deadline_seconds} s: {description}")
        await asyncio.sleep(pause_after(now - asked_at))


def pause_after(seconds: float) -> float:
    """Say how long to wait before a condition is asked again, whose answer took so long."""
    return min(max(PAUSE_RATIO * seconds, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
