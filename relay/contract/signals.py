"""Signals that a running event loop hears, and that can be given another meaning in one step.

asyncio can only give a signal back to the system first. One that came in between would end the
program as a failure: an impatient Ctrl-C, just when all has been brought to a good end.
"""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


def hear(number: int, heard: Callable[[], object]) -> None:
    """Have the running loop call something whenever a signal comes, until its handler is replaced.

    Args:
        number: Which.
        heard: Called in the loop, soon after.
    """
    loop = asyncio.get_running_loop()

    def hand_over(number: int, frame: FrameType | None) -> None:
        if loop.is_closed():  # the program has failed, and is about to say so
            signal.default_int_handler(number, frame)
        loop.call_soon_threadsafe(heard)

    replace_handler(number, hand_over)


def replace_handler(number: int, handler: Handler | signal.Handlers) -> None:
    """Give a signal another meaning; there is no moment in which it has none.

    It breaks off whatever the main thread waits for, be it the end of another thread.

    Args:
        number: Which.
        handler: As `signal.signal` takes it.
    """
    signal.signal(number, handler)
