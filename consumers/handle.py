"""Event and handler in, outcome out: runs one handler within its time limit.

This is the one place where a handler's exception ends.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from consumers.call import bound
from consumers.event import Event
from consumers.middleware import is_async, wrapped
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
from consumers.payload import InvalidPayload
from consumers.running import running
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
        self._is_async = is_async(handler.function)
        self._threads: ThreadPoolExecutor | None = None
        self.in_threads = 0
        # Set before the lanes are cancelled: until then a cancellation is the handler's own doing.
        self.stopping = False
        self.provide({})

    def provide(self, resources: Mapping[str, Any]) -> None:
        """Prepare the call, so that a run has nothing to look up.

        Args:
            resources: What is open, by name.
        """
        self._function = bound(self._handler.function, self._handler.payload_at, resources)
        innermost = self._function if self._is_async else self._in_thread
        self._call = wrapped(innermost, self._handler.middleware, resources)

    async def run(self, event: Event) -> Outcome:
        """Run the handler on an event.

        Returns:
            `Done`; `Skipped`, where the event proves too little for this handler; `Failed`,
            `Postponed` or `GaveUp`. Nothing is raised but what ends the process.
        """
        if event.assurance == "none" and not self._handler.accept_unverified:
            return Skipped("unverified")
        mark = running.set(event)
        try:
            await (self._in_time(event) if self._is_async else self._watched(event))
        except (GiveUp, RetryLater) as error:
            return self._as_asked(error, event)
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
        finally:
            running.reset(mark)
        return Done()

    def close(self) -> None:
        """Start no more threads; those that run are not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_time(self, event: Event) -> None:
        """Run a coroutine and what is around it, and cancel it after its time."""
        limit_seconds = self._handler.timeout_seconds
        if limit_seconds is None:
            await self._call(event)
            return
        loop = asyncio.get_running_loop()
        # A coroutine that swallows its cancellation would go on unseen.
        watch = loop.call_later(limit_seconds + OVERDUE_SECONDS, self._say_overdue, event)
        try:
            async with asyncio.timeout(limit_seconds):
                await self._call(event)
        finally:
            watch.cancel()

    async def _watched(self, event: Event) -> None:
        """Run a plain function and what is around it, and wait for its end however late.

        A thread cannot be cancelled; trying again while it still runs would run it twice at once.
        """
        limit_seconds = self._handler.timeout_seconds
        if limit_seconds is None:
            await self._call(event)
            return
        loop = asyncio.get_running_loop()
        watch = loop.call_later(limit_seconds, self._say_overdue, event)
        try:
            await self._call(event)
        finally:
            watch.cancel()

    async def _in_thread(self, event: Event) -> Any:  # noqa: ANN401 - whatever the user returns
        if self._threads is None:
            self._threads = ThreadPoolExecutor(
                self._handler.concurrency, thread_name_prefix=self._handler.name
            )
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        run = loop.run_in_executor(self._threads, context.run, self._call_plain, event)
        self.in_threads += 1
        run.add_done_callback(self._returned)
        try:
            result = await asyncio.shield(run)
        except asyncio.CancelledError:
            if not self.stopping:
                # A middleware's own time limit, which ends no thread either.
                await asyncio.wait({run})
            raise
        if inspect.isawaitable(result):
            # A plain wrapper around a coroutine: what it gave must still be run.
            async with asyncio.timeout(self._handler.timeout_seconds):
                return await result
        return result

    def _say_overdue(self, event: Event) -> None:
        _log.warning("handler_overdue", handler=self._handler.name, event_id=printable(event.id))

    def _call_plain(self, event: Event) -> Any:  # noqa: ANN401 - whatever the user returns
        try:
            return self._function(event)
        except StopIteration as error:
            # No future can carry it before Python 3.12: the lane would wait for ever.
            raise RuntimeError("the handler raised StopIteration") from error

    def _returned(self, run: "asyncio.Future[Any]") -> None:
        self.in_threads -= 1
        if not run.cancelled():
            run.exception()  # looked at, so that one nobody waits for is not reported as lost

    def _as_asked(self, error: GiveUp | RetryLater, event: Event) -> Outcome:
        if isinstance(error, RetryLater):
            return Postponed(error.after_seconds, _text_of(error))
        if isinstance(error, InvalidPayload):
            _log.warning(
                "payload_refused",
                handler=self._handler.name,
                event_id=printable(event.id),
                at=printable(error.place),
            )
        return GaveUp(_text_of(error), error.reason)

    def _over_time(self) -> str:
        return f"no end within {self._handler.timeout_seconds} s"

    def _failed(self, error: BaseException, text: str) -> Failed:
        # Only exceptions of the policy are retried; a time-out or a cancellation always is.
        retryable = isinstance(
            error, (*self._handler.retry.on, TimeoutError, asyncio.CancelledError)
        )
        return Failed(type(error).__name__, text[:MAX_ERROR_CHARACTERS], retryable)


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
