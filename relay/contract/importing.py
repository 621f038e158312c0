"""Lets a program be ended while it imports what it needs, and has it done with that sooner."""

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Have Ctrl-C end the process at once within the block, and nothing looked through for garbage.

    Importing takes a while, has nothing to clean up, and can swallow a Ctrl-C raised within it.
    Where somebody else looks after Ctrl-C, or in another thread, that is not changed. What is
    imported stays: looking through it for garbage again and again takes time and finds nothing.
    """
    with _without_collecting(), _ended_by_ctrl_c():
        yield


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _without_collecting() -> Iterator[None]:
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
