"""Waiting for a condition, so that no test sleeps for a fixed time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    deadline_seconds: float = 10.0,
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
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if loop.time() > end:
            raise AssertionError(f"not within {deadline_seconds} s: {description}")
        await asyncio.sleep(0.01)
