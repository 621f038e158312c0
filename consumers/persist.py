"""Repeats a step until the store has taken it, or refuses it for good."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import AskError, ClusterDownError, ReadOnlyError, TryAgainError

from relay.contract.connect import OutOfMemoryError, RedisError, ResponseError
from relay.contract.logs import Logger

FIRST_PAUSE_SECONDS = 0.05
LAST_PAUSE_SECONDS = 2.0
# Refusals that pass by themselves: by redis-py's class, or by a word where it has none.
PASSING_KINDS = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError, AskError)
PASSING_WORDS = ("BUSY ", "MISCONF", "NOREPLICAS", "READONLY", "OOM ")

ReplyT = TypeVar("ReplyT")

_log = Logger("consumers.settle")


def _say_waiting(error: str) -> None:
    _log.warning("settling_waits_for_store", error=error)


async def persist(
    step: Callable[[], Awaitable[ReplyT]], say_waiting: Callable[[str], None] = _say_waiting
) -> ReplyT:
    """Repeat a step until the store has taken it; each of them may be sent twice.

    Args:
        step: Sends it, each time anew.
        say_waiting: Is called once, with the error's class, where the store has not taken it.

    Returns:
        What the step gave.

    Raises:
        ResponseError: The store refuses it, and will until something is mended.
    """
    pause = 0.0
    while True:
        try:
            return await step()
        except (RedisError, OSError) as error:
            if isinstance(error, ResponseError) and not passes(error):
                raise
            if not pause:
                say_waiting(type(error).__name__)
            pause = min(max(FIRST_PAUSE_SECONDS, 2 * pause), LAST_PAUSE_SECONDS)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


def passes(error: ResponseError) -> bool:
    """Tell whether a refusal is of the store's present state and passes by itself."""
    return isinstance(error, PASSING_KINDS) or any(word in str(error) for word in PASSING_WORDS)
