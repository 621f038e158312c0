"""Keeps a child process running: started again with backoff when it ends, stopped on request.

How it is started, when it counts as up, and how it is asked to end are handed in.
"""

import asyncio
import math
import random
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable

import structlog

from relay.contract.duties import cancel
from relay.contract.errors import RelayError

FIRST_PAUSE_SECONDS = 0.2
LAST_PAUSE_SECONDS = 10.0
HEALTHY_SECONDS = 30.0

_log = structlog.get_logger("relay.supervise")


class KeptProcess:
    """One child process, and the task that watches over it.

    ``start`` or ``begin``, and ``stop``, may come in any order and twice. ``failed`` ends with the
    reason when the process cannot be kept running.

    Args:
        name: Its name in logs.
        launch: Starts it.
        wait_until_up: Returns when it can be used, raises a `RelayError` if that will not be.
        ask_to_end: Asks it to end.
        grace_seconds: How long it may take before it is killed.
        starts: How many starts in a row may fail before it is given up; without end where
            infinite.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[], Awaitable[Process]],
        *,
        wait_until_up: Callable[[Process], Awaitable[None]],
        ask_to_end: Callable[[Process], Awaitable[None]],
        grace_seconds: float,
        starts: float = 5,
    ) -> None:
        self._name = name
        self._launch = launch
        self._wait_until_up = wait_until_up
        self._ask_to_end = ask_to_end
        self._grace_seconds = grace_seconds
        self._starts = starts
        self._process: Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._process.pid

    async def start(self) -> None:
        """Start it and return when it is up.

        Raises:
            RelayError: It did not come up; nothing of it is left.
            OSError: It could not be started.
        """
        async with self._changing:
            if self._watcher is not None:
                return
            await self._run_once()
            self._begin()

    def begin(self) -> None:
        """Start it and go on trying where it does not come up, without waiting for that."""
        if self._watcher is None:
            self._begin()

    async def stop(self, within_seconds: float = math.inf) -> None:
        """Return when it has ended.

        Args:
            within_seconds: It is killed after this long, and after its grace period at the latest.
        """
        async with self._changing:
            watcher, self._watcher = self._watcher, None
            if watcher is not None:
                await cancel([watcher])
            await self._end(min(within_seconds, self._grace_seconds))

    async def failed(self) -> RelayError:
        """Wait until it is given up, and say why."""
        if self._watcher is not None:
            watcher = self._watcher
            await asyncio.wait({watcher})
            error = None if watcher.cancelled() else watcher.exception()
            if error is not None:
                return error if isinstance(error, RelayError) else RelayError(repr(error))
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._watch(), name=f"watch-{self._name}")

    async def _run_once(self) -> None:
        self._process = await self._launch()
        try:
            await self._wait_until_up(self._process)
        except BaseException:
            await self._end(self._grace_seconds)
            raise

    async def _end(self, grace_seconds: float) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        try:
            async with asyncio.timeout(grace_seconds):
                await self._ask_to_end(process)
                await process.wait()
        except TimeoutError:
            _log.warning("child_killed", child=self._name, after_seconds=grace_seconds)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        has_run = self._process is not None
        pause, failures, up_since = FIRST_PAUSE_SECONDS if has_run else 0.0, 0, loop.time()
        while True:
            if self._process is not None:
                code = await self._process.wait()
                _log.warning("child_ended", child=self._name, exit_code=code)
                if loop.time() - up_since > HEALTHY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), LAST_PAUSE_SECONDS)
            try:
                await self._run_once()
            except Exception as error:  # the edge: whatever it was, it goes on
                failures += 1
                _log.warning("child_start_failed", child=self._name, error=type(error).__name__)
                if failures >= self._starts:
                    raise
            else:
                failures, up_since = 0, loop.time()
                self._came_up(again=has_run)
                has_run = True

    def _came_up(self, *, again: bool) -> None:
        if again:
            self.restarts += 1
            _log.info("child_restarted", child=self._name)
