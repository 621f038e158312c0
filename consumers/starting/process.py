"""Runs a worker process to its end, and ends it whatever a user's code keeps going.

At its exit the interpreter would wait for threads, and the loop for coroutines that swallow their
cancellation, however long they hang.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn, Protocol

import structlog

from consumers.starting.aside import run_aside
from consumers.starting.ending import Ending
from relay.contract.display import warn
from relay.contract.explain import FAILED, explain
from relay.contract.frames import frames

# A reader of the standard streams that hangs must not keep the process.
FLUSH_SECONDS = 0.5

_log = structlog.get_logger("consumers.starting.process")


class Process(Protocol):
    """A worker process, as far as its end is concerned."""

    @property
    def left_running(self) -> int:
        """How many runs of handlers go on after the end, because nothing can stop them."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop."""

    def hurry(self) -> None:
        """Give running handlers no more time."""


async def nothing() -> None:
    """Say no farewell: there is nobody to say it to."""


async def run_process(
    process: Process, ending: Ending, farewell: Callable[[], Awaitable[None]] = nothing
) -> None:
    """Run a worker process until it is to end, and end with it whatever its handlers do.

    Where handlers go on, this is the end of the interpreter, and nothing after it is reached.

    Args:
        process: Not yet running.
        ending: Says when, and whether at once.
        farewell: The last that is done, however it ended; bounded.

    Raises:
        StartFailed: A resource or a start-up hook failed; nothing was read.
        WorkerFailed: A handler ended the process, or a part of it has ended by a fault.
    """
    ending.on_hurry = process.hurry
    failure: Exception | None = None
    try:
        await process.run(ending.wished)
    except Exception as error:  # noqa: BLE001 - raised below, or said where nothing is reached
        failure = error
    finally:
        await farewell()
    if failure is None:
        # Not before: a signal would take what is said last with it.
        ending.over()
    if process.left_running:
        _log.warning("handlers_left_behind", handlers=process.left_running)
        await _leave(failure)
    if failure is not None:
        raise failure


def say_failure(failure: Exception) -> int:
    """Say what has ended a process, in the user's words where it is not a bug of ours.

    Returns:
        The exit code for it.
    """
    explanation = explain(failure)
    if explanation is None:
        _log.error("process_failed", error=type(failure).__name__, frames=frames(failure))
        return FAILED
    warn(f"relay: {explanation.message}")
    return explanation.exit_code


async def _leave(failure: Exception | None) -> NoReturn:
    code = 0 if failure is None else say_failure(failure)
    # What handlers have printed may wait for more.
    with suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_SECONDS):
            await run_aside(_flush, "flush")
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it
            stream.flush()
