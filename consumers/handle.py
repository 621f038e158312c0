"""Event and handler in, outcome out: runs one handler within its time limit.

This is the one place where a handler's exception ends.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import structlog

from consumers.event import Event
from consumers.once import OutcomeUnknown
from consumers.outcome import (
    Done,
    Failed,
    GaveUp,
    GiveUp,
    Outcome,
    Postponed,
    RetryLater,
    Skipped,
)
from consumers.worker import Handler
from relay.contract.errors import RelayError
from relay.contract.printable import printable

MAX_ERROR_CHARACTERS = 1000
# How long after its time a coroutine that has not ended is reported.
OVERDUE_SECONDS = 1.0

_log = structlog.get_logger("consumers.handle")


class HandlerEnded(RelayError):
    """A handler has asked for the end of the process."""


class Runner:
    """Runs one handler.

    Args:
        handler: Whose function is run.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._is_async = _is_async(handler.function)
        self._threads: ThreadPoolExecutor | None = None
        self.in_threads = 0
        # Set before the lanes are cancelled: until then a cancellation is the handler's own doing.
        self.stopping = False

    async def run(self, event: Event) -> Outcome:
        """Run the handler on an event.

        Returns:
            `Done`; `Skipped`, where the event proves too little for this handler; `Failed`,
            `Postponed` or `GaveUp`. Nothing is raised but what ends the process.
        """
        if event.assurance == "none" and not self._handler.accept_unverified:
            return Skipped("unverified")
        try:
            await (self._call(event) if self._is_async else self._call_in_thread(event))
        except (GiveUp, RetryLater) as error:
            return _as_asked(error)
        except TimeoutError as error:
            return self._failed(error, _text_of(error, self._over_time()))
        except asyncio.CancelledError as error:
            if self.stopping:
                raise  # no attempt
            _forget_cancellation()
            return self._failed(error, "CancelledError: the handler was cancelled from inside")
        except (SystemExit, KeyboardInterrupt) as error:
            # asyncio would end the loop on the spot, and with it what the neighbours have done.
            raise HandlerEnded(type(error).__name__) from None
        except Exception as error:  # noqa: BLE001 - the edge: any failure of a handler is an outcome
            return self._failed(error, _text_of(error))
        return Done()

    def close(self) -> None:
        """Start no more threads; those that run are not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, event: Event) -> None:
        await self._in_time(self._handler.function(event), event)

    async def _in_time(self, run: Awaitable[Any], event: Event) -> None:
        limit_seconds = self._handler.timeout_seconds
        if limit_seconds is None:
            await run
            return
        loop = asyncio.get_running_loop()
        # A coroutine that swallows its cancellation would go on unseen.
        watch = loop.call_later(limit_seconds + OVERDUE_SECONDS, self._say_overdue, event)
        try:
            async with asyncio.timeout(limit_seconds):
                await run
        finally:
            watch.cancel()

    async def _call_in_thread(self, event: Event) -> None:
        """Run a plain function in a thread, and wait for its end however late.

        A thread cannot be cancelled; trying again while it still runs would run it twice at once.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(
                self._handler.concurrency, thread_name_prefix=self._handler.name
            )
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        run = loop.run_in_executor(self._threads, context.run, self._call_plain, event)
        self.in_threads += 1
        run.add_done_callback(self._returned)
        done, _ = await asyncio.wait({run}, timeout=self._handler.timeout_seconds)
        if not done:
            self._say_overdue(event)
        result = await asyncio.shield(run)
        if inspect.isawaitable(result):
            # A plain wrapper around a coroutine: what it gave must still be run.
            await self._in_time(result, event)

    def _say_overdue(self, event: Event) -> None:
        _log.warning("handler_overdue", handler=self._handler.name, event_id=printable(event.id))

    def _call_plain(self, event: Event) -> Any:  # noqa: ANN401 - whatever the user returns
        try:
            return self._handler.function(event)
        except StopIteration as error:
            # No future can carry it before Python 3.12: the lane would wait for ever.
            raise RuntimeError("the handler raised StopIteration") from error

    def _returned(self, run: "asyncio.Future[Any]") -> None:
        self.in_threads -= 1
        if not run.cancelled():
            run.exception()  # looked at, so that one nobody waits for is not reported as lost

    def _over_time(self) -> str:
        return f"no end within {self._handler.timeout_seconds} s"

    def _failed(self, error: BaseException, text: str) -> Failed:
        # Only exceptions of the policy are retried; a time-out or a cancellation always is.
        retryable = isinstance(
            error, (*self._handler.retry.on, TimeoutError, asyncio.CancelledError)
        )
        return Failed(type(error).__name__, text[:MAX_ERROR_CHARACTERS], retryable)


def _is_async(function: object) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind is asked for, not whether
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _reason_of(error: GiveUp) -> Literal["gave_up", "outcome_unknown"]:
    return "outcome_unknown" if isinstance(error, OutcomeUnknown) else "gave_up"


def _as_asked(error: GiveUp | RetryLater) -> Outcome:
    if isinstance(error, RetryLater):
        return Postponed(error.after_seconds, _text_of(error))
    return GaveUp(_text_of(error), _reason_of(error))


def _forget_cancellation() -> None:
    """Let the lane go on: its task was cancelled by its handler, not by us."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def _text_of(error: BaseException, otherwise: str = "") -> str:
    try:
        text = str(error) or otherwise
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the failure
        text = "(its message cannot be read)"
    return f"{type(error).__name__}: {text}"[:MAX_ERROR_CHARACTERS]
