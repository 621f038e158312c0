"""Runs a program's coroutine on the fastest event loop there is."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from relay.contract.frames import frames
from relay.contract.logs import Logger
from relay.contract.standard import open_standard_streams

ResultT = TypeVar("ResultT")

_log = Logger("relay.loop")


def run(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine to its end.

    Raises:
        KeyboardInterrupt: Ctrl-C came, and the coroutine was cancelled.
    """
    open_standard_streams()
    if threading.excepthook is threading.__excepthook__:  # nobody else looks after it
        threading.excepthook = _say_of_thread
    with asyncio.Runner(loop_factory=_fastest()) as runner:
        runner.get_loop().set_exception_handler(_say)
        return runner.run(coroutine)


def _say(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what nobody has looked at: its kind and place, since a message may quote a payload."""
    error = context.get("exception")
    found = frames(error) if isinstance(error, BaseException) else []
    _log.error("task_failed", error=type(error).__name__, frames=found)


def _say_of_thread(failure: threading.ExceptHookArgs) -> None:
    """Say the same of a thread: Python's own report has the message in it."""
    error = failure.exc_value
    if error is not None and not isinstance(error, SystemExit):
        _log.error("thread_failed", error=type(error).__name__, frames=frames(error))


def _fastest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
