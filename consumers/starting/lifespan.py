"""Opens what handlers share before anything is read, and closes it after they have finished.

One task does both, since a task group or a cancel scope must be left by the task that entered it.
This is the one place where an exception of a resource or a hook ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from inspect import isasyncgenfunction, isawaitable, isgeneratorfunction, unwrap
from typing import Any

import structlog

from consumers.calling.middleware import is_async
from consumers.calling.parameters import is_generator, needs_of
from consumers.calling.resource import Resource, function_name, in_order, types_of
from consumers.starting.aside import run_aside
from consumers.starting.blame import told
from consumers.worker import Worker
from relay.contract.duties import cancel
from relay.contract.errors import RelayError
from relay.contract.frames import frames

# How long what was opened may take to close where a start fails or is broken off.
CLOSE_SECONDS = 4.0
# What comes to its turn when the time is up already still has this long.
LAST_CLOSE_SECONDS = 0.5
# How long a coroutine may take to hear of its end.
PATIENCE_SECONDS = 1.0

_log = structlog.get_logger("consumers.starting.lifespan")

Step = Callable[[], Awaitable[Any]]


class StartFailed(RelayError):
    """A resource could not be opened, or a start-up hook failed; nothing was read."""


class Lifespan:
    """The resources and hooks of one process.

    Args:
        worker: Where they are declared, without faults.
    """

    def __init__(self, worker: Worker) -> None:
        self.resources: dict[str, Any] = {}
        self.left_running = 0
        self._worker = worker
        self._known = types_of(worker.resources)
        self._closers: list[tuple[str, Step]] = []
        self._decided = asyncio.Event()
        self._closing = asyncio.Event()
        self._doing = ""
        self._failure: StartFailed | None = None
        self._deadline = 0.0
        self._limit: asyncio.Timeout | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, stop: asyncio.Event) -> bool:
        """Open every resource, then run the start-up hooks.

        Args:
            stop: Breaks it off; what was opened is closed again.

        Returns:
            False where it was broken off.

        Raises:
            StartFailed: Something failed. What was opened before is closed again.
        """
        self._task = asyncio.create_task(self._live(), name="lifespan")
        waits = [asyncio.create_task(event.wait()) for event in (self._decided, stop)]
        try:
            await asyncio.wait({self._task, *waits}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(waits)
        if self._decided.is_set() and self._failure is None:
            return True
        if not self._decided.is_set():
            self._task.cancel()
        await self.stop(CLOSE_SECONDS)
        if self._failure is not None:
            raise self._failure
        return False

    async def stop(self, patience_seconds: float) -> None:
        """Run the hooks of the end, then close every resource, the last opened first.

        What fails is logged, and does not keep the rest from being closed.

        Args:
            patience_seconds: How long all of it may take.
        """
        if self._task is None:
            return
        self._deadline = asyncio.get_running_loop().time() + patience_seconds
        self._closing.set()
        steps = 1 + len(self._closers) + len(self._worker.shutdown_hooks)
        await asyncio.wait({self._task}, timeout=patience_seconds + steps * LAST_CLOSE_SECONDS)
        left = await cancel({self._task}, PATIENCE_SECONDS)
        if left:
            _log.warning("closing_overdue", what=self._doing)
        self.left_running = len(left)

    def hurry(self) -> None:
        """Give what is being closed no more time."""
        self._deadline = 0.0
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + LAST_CLOSE_SECONDS)

    async def _live(self) -> None:
        try:
            if await self._open_all():
                await self._closing.wait()
                for hook in self._worker.shutdown_hooks:
                    await self._close(function_name(hook), partial(self._call, hook))
        finally:
            while self._closers:
                await self._close(*self._closers.pop())

    async def _open_all(self) -> bool:
        """Open everything; false where that failed, or was broken off."""
        try:
            for resource in in_order(self._worker.resources)[0]:
                self._doing = f"resource {resource.name!r}"
                self.resources[resource.name] = await self._open(resource)
            for hook in self._worker.startup_hooks:
                self._doing = f"start-up hook {function_name(hook)!r}"
                await self._call(hook)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge: a user's code
            self._failure = StartFailed(f"{self._doing} failed at start: {told(error)}")
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                task.uncancel()  # broken off; what is opened must be closed yet
            else:
                self._failure = StartFailed(f"{self._doing} failed at start: {told(error)}")
        else:
            self._decided.set()
            return True
        self._deadline = asyncio.get_running_loop().time() + CLOSE_SECONDS
        self._decided.set()
        return False

    async def _open(self, resource: Resource) -> Any:  # noqa: ANN401 - whatever it gives
        function = resource.function
        if isasyncgenfunction(function):
            manager: Any = asynccontextmanager(function)(**self._values(function))
        elif isgeneratorfunction(function):
            manager = contextmanager(function)(**self._values(function))
        elif is_generator(unwrap(function)):  # made a context manager by the user
            manager = function(**self._values(function))
        else:
            return await self._call(function)
        if hasattr(manager, "__aenter__"):
            value = await manager.__aenter__()
            close: Step = partial(manager.__aexit__, None, None, None)
        else:
            value = await run_aside(manager.__enter__, resource.name)
            leave = partial(manager.__exit__, None, None, None)
            close = partial(run_aside, leave, resource.name)
        self._closers.append((resource.name, close))
        return value

    async def _close(self, what: str, step: Step) -> None:
        self._doing = what
        loop = asyncio.get_running_loop()
        until = max(self._deadline, loop.time() + LAST_CLOSE_SECONDS)
        try:
            async with asyncio.timeout_at(until) as self._limit:
                await step()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge: a user's code
            self._say_failed(what, error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._say_failed(what, error)  # of something that it waited for itself
        finally:
            self._limit = None

    def _say_failed(self, what: str, error: BaseException) -> None:
        # Not the message: it may quote anything.
        _log.error("closing_failed", what=what, error=type(error).__name__, frames=frames(error))

    async def _call(self, function: Callable[..., Any]) -> Any:  # noqa: ANN401 - whatever a user's function gives
        call = partial(function, **self._values(function))
        if is_async(function):
            return await call()
        result = await run_aside(call, function_name(function))
        return await result if isawaitable(result) else result

    def _values(self, function: Callable[..., Any]) -> dict[str, Any]:
        needs = needs_of(function, known=self._known)
        return {name: self.resources[name] for name in needs.resources}
