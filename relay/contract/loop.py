"""Runs a program's coroutine on the fastest event loop there is."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


def run(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine to its end.

    Raises:
        KeyboardInterrupt: Ctrl-C came, and the coroutine was cancelled.
    """
    with asyncio.Runner(loop_factory=_fastest()) as runner:
        return runner.run(coroutine)


def _fastest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
