"""Background duties: each runs until told to stop, and is restarted when it fails.

This is the one place where a duty's unexpected error ends. One duty's trouble never takes the
others down.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from relay.contract.connect import UNKNOWN_OUTCOME
from relay.contract.frames import frames
from relay.contract.logs import Logger

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 5.0
HEALTHY_SECONDS = 30.0
# Before Python 3.12 `asyncio.wait_for` may lose a cancellation that comes as it ends, and redis-py
# sends every command through it; so a task that goes on is asked again.
CANCEL_AGAIN_SECONDS = 0.25

ResultT = TypeVar("ResultT")

_log = Logger("relay.duties")


class Duties:
    """Owns named background tasks.

    ``start`` may be called for each duty once; ``stop`` returns when all have ended, may be
    called twice, and may come before any start.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, duty: Callable[[], Awaitable[None]]) -> None:
        """Run a duty, again after each failure, until `stop`.

        Args:
            name: Its name in logs and task lists.
            duty: Makes its coroutine; returning ends the duty for good.
        """
        self._tasks[name] = asyncio.create_task(_supervised(name, duty), name=name)

    async def stop(self) -> None:
        """Cancel every duty and wait until all have ended."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        await cancel(tasks)


async def cancel(
    tasks: Iterable[asyncio.Task[Any]], patience_seconds: float = math.inf
) -> set[asyncio.Task[Any]]:
    """Cancel tasks until they have ended.

    Args:
        tasks: Which.
        patience_seconds: How long they are asked.

    Returns:
        Those that have not ended, since they swallow every cancellation.
    """
    running = set(tasks)
    deadline = time.monotonic() + patience_seconds
    while running and time.monotonic() < deadline:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
    return running


async def to_its_end(step: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Take a step that must not be broken off: a cancellation meanwhile is raised after it.

    Args:
        step: Ends by itself within a bounded time.

    Returns:
        What it gave.
    """
    task = asyncio.create_task(step)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    task.exception()  # looked at, so that it is not reported as lost
    raise cancelled


async def _supervised(name: str, duty: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    pause, wait = FIRST_PAUSE_SECONDS, _Wait(name)
    while True:
        started = loop.time()
        over = loop.call_later(HEALTHY_SECONDS, wait.end)
        try:
            await duty()
        except UNKNOWN_OUTCOME as error:
            wait.begin(error)
        except Exception as error:  # noqa: BLE001 - the one edge at which a duty's error ends
            # The message may quote a payload, so type and frames only.
            _log.error("duty_failed", duty=name, error=type(error).__name__, frames=frames(error))
        else:
            wait.end()
            return
        finally:
            over.cancel()
        if loop.time() - started > HEALTHY_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(2 * pause, LAST_PAUSE_SECONDS)


class _Wait:
    """Says once that a duty waits for a store that is away, and once that it does no more.

    Args:
        name: The duty's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._since: float | None = None

    def begin(self, error: BaseException) -> None:
        """The store is away: expected, so without frames."""
        if self._since is None:
            self._since = time.monotonic()
            _log.warning("duty_waits_for_store", duty=self._name, error=type(error).__name__)

    def end(self) -> None:
        """The duty has done its work, or has been at it for long enough to say so."""
        if self._since is not None:
            seconds = round(time.monotonic() - self._since, 1)
            self._since = None
            _log.info("duty_goes_on", duty=self._name, seconds=seconds)
