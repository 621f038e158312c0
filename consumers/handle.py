"""Event and handler in, outcome out: runs one handler within its time limit.

This is the one place where a handler's exception ends.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, get_args

import structlog

from consumers.calling.call import bound
from consumers.calling.middleware import is_async, wrapped
from consumers.calling.payload import InvalidPayload
from consumers.calling.running import running
from consumers.event import Event
from consumers.outcome import (
    DONE,
    Failed,
    GaveUp,
    GiveUp,
    GiveUpReason,
    Outcome,
    Postponed,
    RetryLater,
    Skipped,
    Unreadable,
)
from consumers.worker import Handler
from relay.contract.deadline import Deadlines
from relay.contract.errors import RelayError, UnreadableEntry
from relay.contract.frames import frames
from relay.contract.printable import printable

MAX_ERROR_CHARACTERS = 1000

# What a function takes: an event, or those of a batch.
Given = Event | list[Event]

_log = structlog.get_logger("consumers.handle")


class HandlerEnded(RelayError):
    """A handler has asked for the end of the process; its text is how, as ``SystemExit``."""


class EndedElsewhere(Exception):
    """A run in another process was no success; raised here as if the handler had raised it.

    Args:
        outcome: How it ended.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome


class Runner:
    """Runs one handler.

    Args:
        handler: Whose function is run.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._is_async = is_async(handler.function)
        self._threads: ThreadPoolExecutor | None = None
        self._deadlines: Deadlines | None = None
        if handler.timeout_seconds is not None:
            self._deadlines = Deadlines(handler.timeout_seconds, self._say_overdue)
        self.in_threads = 0
        # The running one, where it is known: asking costs a call of the system before Python 3.12.
        self.loop: asyncio.AbstractEventLoop | None = None
        # Set before the lanes are cancelled: until then a cancellation is the handler's own doing.
        self.stopping = False
        # Not with nothing at once: a parameter of a resource's name could look like a payload.
        self._call: Callable[..., Any] = self._call_unprovided

    def provide(self, resources: Mapping[str, Any]) -> None:
        """Prepare the call, so that a run has nothing to look up.

        Args:
            resources: What is open, by name.
        """
        function, payload_at = self._handler.function, self._handler.payload_at
        self._function: Callable[..., Any] = bound(function, payload_at, resources)
        middleware = self._handler.middleware
        if not self._is_async:
            self._call = wrapped(self._in_thread, middleware, resources)
        elif middleware:
            self._call = wrapped(self._in_loop, middleware, resources)
        else:
            self._call = self._function

    async def run(self, event: Event) -> Outcome:
        """Run the handler on an event.

        Returns:
            `Done`; `Skipped`, where the event proves too little for this handler; `Failed`,
            `Postponed` or `GaveUp`. Nothing is raised but what ends the process.
        """
        if self.refuses(event):
            return Skipped("unverified")
        outcome, _ = await self.attempt(event)
        return outcome

    def refuses(self, event: Event) -> bool:
        """Tell whether an event proves too little for this handler."""
        return event.assurance == "none" and not self._handler.accept_unverified

    async def attempt(self, given: Given) -> tuple[Outcome, Any]:
        """Call the function once, with what is around it and within its time.

        Args:
            given: What the function takes.

        Returns:
            How it ended, and what came back.
        """
        task = asyncio.current_task(self.loop)
        assert task is not None  # noqa: S101 - a task runs this
        mark = running.set(None if isinstance(given, list) else given)
        try:
            once = self._in_time if self._is_async else self._watched
            returned = await once(task, given)
        except TimeoutError as error:
            return self.judge(error, self._over_time()), None
        except asyncio.CancelledError as error:
            if self.stopping:
                raise  # no attempt
            return self.judge(error), None
        except (SystemExit, KeyboardInterrupt) as error:
            # asyncio would end the loop on the spot, and with it what the neighbours have done.
            ended = HandlerEnded(type(error).__name__)
            raise ended.with_traceback(error.__traceback__) from None
        except Exception as error:  # noqa: BLE001 - the edge: any failure of a handler is an outcome
            return self.judge(error), None
        else:
            return DONE, returned
        finally:
            running.reset(mark)
            if task.cancelling() and not self.stopping:
                await _forget_cancellation(task)

    def forgives(self, task: asyncio.Task[Any]) -> bool:
        """Let a task go on that was cancelled outside of a run, unless that is its end.

        A handler may leave behind what cancels its task later: a timer, or another task. With its
        last lane the handler would stand still, and nobody would hear of it.

        Args:
            task: Has just caught its cancellation.
        """
        if self.stopping:
            return False
        while task.cancelling():
            task.uncancel()
        _log.warning("stray_cancellation", handler=self._handler.name)
        return True

    def judge(self, error: BaseException, otherwise: str = "") -> Outcome:
        """Say what an exception of a handler means.

        Args:
            error: The exception.
            otherwise: What it says where it has no message of its own.
        """
        if isinstance(error, EndedElsewhere):
            return error.outcome
        if isinstance(error, UnreadableEntry):
            return Unreadable(str(error), attempted=True)
        if isinstance(error, GiveUp):
            return self._gave_up(error)
        if isinstance(error, RetryLater):
            return Postponed(error.after_seconds, _text_of(error))
        if isinstance(error, asyncio.CancelledError):
            return self._failed(error, "CancelledError: the handler was cancelled from inside")
        return self._failed(error, _text_of(error, otherwise))

    def close(self) -> None:
        """Start no more threads; those that run are not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def stop(self) -> None:
        """Leave nothing behind that can be ended."""
        self.close()

    async def _call_unprovided(self, given: Given) -> Any:  # noqa: ANN401 - whatever it returns
        """Stand for the call until it is prepared: where nothing is shared."""
        self.provide({})
        return await self._call(given)

    async def _in_loop(self, given: Given) -> Any:  # noqa: ANN401 - whatever the user returns
        return await _finished(await self._function(given))

    async def _in_time(self, task: asyncio.Task[Any], given: Given) -> Any:  # noqa: ANN401 - whatever the user returns
        """Run a coroutine and what is around it, and cancel it after its time."""
        if self._deadlines is None:
            return await _finished(await self._call(given))
        with self._deadlines.of(task, given):
            returned = await self._call(given)
            return returned if returned is None else await _finished(returned)

    async def _watched(self, _: asyncio.Task[Any], given: Given) -> Any:  # noqa: ANN401 - whatever the user returns
        """Run a plain function and what is around it, and wait for its end however late.

        A thread cannot be cancelled; trying again while it still runs would run it twice at once.
        """
        limit_seconds = self._handler.timeout_seconds
        if limit_seconds is None:
            return await self._call(given)
        loop = asyncio.get_running_loop()
        watch = loop.call_later(limit_seconds, self._say_overdue, given)
        try:
            return await self._call(given)
        finally:
            watch.cancel()

    async def _in_thread(self, given: Given) -> Any:  # noqa: ANN401 - whatever the user returns
        if self._threads is None:
            self._threads = ThreadPoolExecutor(
                self._handler.concurrency, thread_name_prefix=self._handler.name
            )
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        run = loop.run_in_executor(self._threads, context.run, self._call_plain, given)
        self.in_threads += 1
        run.add_done_callback(self._returned)
        try:
            result = await asyncio.shield(run)
        except asyncio.CancelledError:
            if not self.stopping:
                # A middleware's own time limit, which ends no thread either.
                await asyncio.wait({run})
            raise
        if result is None:
            return None
        async with asyncio.timeout(self._handler.timeout_seconds):
            return await _finished(result)

    def _say_overdue(self, given: Given) -> None:
        first = given[0] if isinstance(given, list) else given
        _log.warning("handler_overdue", handler=self._handler.name, event_id=printable(first.id))

    def _call_plain(self, given: Given) -> Any:  # noqa: ANN401 - whatever the user returns
        try:
            return self._function(given)
        except StopIteration as error:
            # No future can carry it before Python 3.12: the lane would wait for ever.
            raise RuntimeError("the handler raised StopIteration") from error

    def _returned(self, run: "asyncio.Future[Any]") -> None:
        self.in_threads -= 1
        if not run.cancelled():
            run.exception()  # looked at, so that one nobody waits for is not reported as lost

    def _gave_up(self, error: GiveUp) -> GaveUp:
        event = running.get()
        if isinstance(error, InvalidPayload) and event is not None:
            _log.warning(
                "payload_refused",
                handler=self._handler.name,
                event_id=printable(event.id),
                at=printable(error.place),
            )
        # A part of the stream contract, and a label of metrics: no place for a handler's own words.
        reason = error.reason if error.reason in get_args(GiveUpReason) else GiveUp.reason
        return GaveUp(_text_of(error), reason)

    def _over_time(self) -> str:
        return f"no end within {self._handler.timeout_seconds} s"

    def _failed(self, error: BaseException, text: str) -> Failed:
        # Only exceptions of the policy are retried; a time-out or a cancellation always is.
        retryable = isinstance(
            error, (*self._handler.retry.on, TimeoutError, asyncio.CancelledError)
        )
        where = tuple(frames(error))
        return Failed(type(error).__name__, text[:MAX_ERROR_CHARACTERS], retryable, frames=where)


async def _finished(result: Any) -> Any:  # noqa: ANN401 - whatever the user returns
    """Give what a function gave, once it has run: a wrapper may give it unfinished.

    Else an event would count as done of which the handler never ran.

    Raises:
        TypeError: It is a generator, which nobody would run.
    """
    if result is None:
        return None
    if inspect.isawaitable(result):
        return await result
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError("the handler gave a generator, which would never run: leave out its yield")
    return result


async def _forget_cancellation(task: asyncio.Task[Any]) -> None:
    """Let the lane go on: its task was cancelled by its handler, not by us."""
    # One that the handler did not wait for would end the lane, unheard, where it waits next.
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    while task.cancelling():
        task.uncancel()


def _text_of(error: BaseException, otherwise: str = "") -> str:
    try:
        text = str(error) or otherwise
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the failure
        text = "(its message cannot be read)"
    return f"{type(error).__name__}: {text}"[:MAX_ERROR_CHARACTERS]
