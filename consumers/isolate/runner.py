"""Event in, outcome out, by way of another process: for code that may hang or crash.

There are as many processes as runs at once. They are started when first needed, and kept.
"""

import asyncio
import pickle
import random
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import msgspec
import structlog

from consumers.calling.middleware import wrapped
from consumers.event import Event
from consumers.handle import EndedElsewhere, Given, Runner
from consumers.isolate.child import Child, ProcessDied, module_path, start_child
from consumers.isolate.wire import Greeting, read_reply, written_call
from consumers.outcome import Done, Failed, Outcome
from consumers.worker import Handler
from relay.contract import logs
from relay.contract.logs import LogFormat
from relay.contract.printable import printable

# How long the import of the handler's module may take.
START_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.5
LAST_PAUSE_SECONDS = 15.0
# How long a process without work may take to end.
END_SECONDS = 2.0

# Which process the run that is under way has to itself: one, or its successor.
_children: ContextVar[list[Child]] = ContextVar("children")

_log = structlog.get_logger("consumers.isolate")


class IsolatedRunner(Runner):
    """Runs one handler in processes of its own.

    Args:
        handler: Whose function is run.
        log_format: What the processes log in.
    """

    def __init__(self, handler: Handler, log_format: LogFormat = "auto") -> None:
        super().__init__(handler)
        self._greeting = msgspec.msgpack.encode(_greeting(handler, log_format))
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self.provide({})

    @property
    def pids(self) -> set[int]:
        """The process ids of those that run."""
        return {child.pid for child in self._all if child.exit_code is None}

    def provide(self, resources: Mapping[str, Any]) -> None:
        """Prepare the call: what is around it runs here, and the function there.

        Args:
            resources: What is open, by name.
        """
        self._is_async = True
        self._call = wrapped(self._ask, self._handler.middleware, resources)

    async def attempt(self, given: Given) -> tuple[Outcome, Any]:
        """Have a process call the function once, within its time.

        Args:
            given: The event.

        Returns:
            How it ended. What the function returned stays there.
        """
        # Before the time of the run begins.
        children = [self._idle_child() or await self._started()]
        _children.set(children)
        try:
            return await super().attempt(given)
        finally:
            if children[-1].is_usable:
                self._idle.append(children[-1])

    async def stop(self) -> None:
        """End the processes; those that are at work still are killed."""
        for child in self._all - set(self._idle):
            child.kill()
        await asyncio.gather(*(child.end(END_SECONDS) for child in self._all))
        self._idle.clear()
        self._all.clear()
        self.close()

    async def _ask(self, event: Event) -> None:
        """Do what the function would do here.

        Raises:
            EndedElsewhere: It has failed there, or its process has died of it.
        """
        children = _children.get()
        if not children[-1].is_usable:
            # A middleware tries again what has killed its process, or was killed.
            children.append(await self._started())
        child = children[-1]
        try:
            outcome = read_reply(await child.ask(written_call(event)))
        except (ProcessDied, ValueError):
            await child.end(END_SECONDS)
            self._say_died(child, event)
            text = f"ProcessDied: the handler's process died ({_how(child)})"
            raise EndedElsewhere(Failed(ProcessDied.__name__, text)) from None
        except asyncio.CancelledError:
            # Its time is over, or the worker ends and its event goes to another.
            child.kill()
            if not self.stopping:
                self._say_killed(event)
            raise
        if not isinstance(outcome, Done):
            raise EndedElsewhere(outcome)

    def _say_killed(self, event: Event) -> None:
        name, event_id = self._handler.name, printable(event.id)
        _log.warning("handler_process_killed", handler=name, event_id=event_id)

    def _say_died(self, child: Child, event: Event) -> None:
        name, event_id = self._handler.name, printable(event.id)
        _log.warning(
            "handler_process_died", handler=name, event_id=event_id, exit_code=child.exit_code
        )

    def _idle_child(self) -> Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.is_usable:
                return child
            child.kill()  # it is dead, but its socket is open
        return None

    async def _started(self) -> Child:
        """Start a process, and go on trying: an event is not to blame, and loses no attempt."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._start()
            except (OSError, ProcessDied) as error:
                kind = type(error).__name__
                _log.error("handler_process_start_failed", handler=self._handler.name, error=kind)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(2 * pause, LAST_PAUSE_SECONDS)

    async def _start(self) -> Child:
        self._all = {child for child in self._all if child.exit_code is None}
        child = await start_child()
        self._all.add(child)
        try:
            async with asyncio.timeout(START_SECONDS):
                await child.ask(self._greeting)
        except BaseException:
            child.kill()
            raise
        return child


def _greeting(handler: Handler, log_format: LogFormat) -> Greeting:
    return Greeting(
        path=module_path(),
        module=handler.function.__module__,
        name=handler.name,
        payload_at=handler.payload_at,
        retry=pickle.dumps(handler.retry),
        log_format=log_format,
        log_level=logs.level,
    )


def _how(child: Child) -> str:
    code = child.exit_code or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"
