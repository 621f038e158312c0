"""What a process sends at its end: what is settled, what others should handle, and that it leaves.

It must not wait for ever for a store that is away. And in a cluster a server that is away must not
keep the others from hearing of the end: there each stage has a time of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from relay.contract.connect import RedisError
from relay.contract.duties import cancel

FAREWELL_SECONDS = 4.0
# A server that answers does so in a fraction of it.
STAGE_SECONDS = 1.0

Step = Callable[[], Awaitable[object]]

_log = structlog.get_logger("consumers.farewell")


async def take_leave(stages: Sequence[Sequence[Step]], *, in_cluster: bool) -> None:
    """Take some steps at the end, as far as the store is there.

    What is left undone is pending still, and taken over when the heartbeat has expired.

    Args:
        stages: Each may begin when the one before it has ended; its steps are taken in their order,
            or in a cluster all at once.
        in_cluster: Whether a part of the store may be away: then each stage is tried.
    """
    if in_cluster:
        for steps in stages:
            await _at_once(steps)
        return
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            for steps in stages:
                for step in steps:
                    await step()
    except (RedisError, OSError, TimeoutError) as error:
        _say_undone(error)


async def _at_once(steps: Sequence[Step]) -> None:
    tasks = [asyncio.ensure_future(step()) for step in steps]
    _, late = await asyncio.wait(tasks, timeout=STAGE_SECONDS)
    await cancel(late)
    for task in tasks:
        error = TimeoutError() if task.cancelled() else task.exception()
        if isinstance(error, RedisError | OSError | TimeoutError):
            _say_undone(error)
        elif error is not None:
            raise error


def _say_undone(error: Exception) -> None:
    _log.warning("left_without_goodbye", error=type(error).__name__)
