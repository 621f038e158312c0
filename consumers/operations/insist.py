"""Repeats a step of an operation until the store has taken it, for a bounded time."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import BusyLoadingError

from consumers.persist import passes
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, ResponseError

# Long enough for a restart or a failover; a person who waits longer would rather know.
GIVE_UP_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.05
LAST_PAUSE_SECONDS = 2.0

ReplyT = TypeVar("ReplyT")


async def insist(
    step: Callable[[], Awaitable[ReplyT]], clock: Callable[[], float] = time.monotonic
) -> tuple[ReplyT, bool]:
    """Repeat a step, which may then have been taken twice.

    Args:
        step: Sends it, each time anew.
        clock: Monotonic seconds.

    Returns:
        What the step gave, and whether an earlier try may have been taken too: its reply was lost.

    Raises:
        RedisError, OSError: The store refuses it for good, or was away for a whole minute.
    """
    give_up_at, pause, unsure = clock() + GIVE_UP_SECONDS, FIRST_PAUSE_SECONDS, False
    while True:
        try:
            return await step(), unsure
        except (RedisError, OSError) as error:
            if not _passes(error) or clock() + pause > give_up_at:
                raise
            unsure = unsure or isinstance(error, UNKNOWN_OUTCOME)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(2 * pause, LAST_PAUSE_SECONDS)


def _passes(error: RedisError | OSError) -> bool:
    if isinstance(error, BusyLoadingError):
        return True  # redis-py has it among the connection errors
    if isinstance(error, ResponseError):
        return passes(error)
    return isinstance(error, UNKNOWN_OUTCOME)
