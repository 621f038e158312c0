"""What Ctrl-C and the garbage collector do while modules are imported."""

import gc
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from relay.contract.importing import importing


@pytest.fixture
def python_s_own() -> Iterator[None]:
    """Have Python's own handler of Ctrl-C, and put back what was there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def handler() -> Any:
    """Say who looks after Ctrl-C."""
    return signal.getsignal(signal.SIGINT)


@pytest.mark.usefixtures("python_s_own")
def test_ctrl_c_ends_the_process_while_modules_are_imported() -> None:
    """Afterwards it is raised again, also where importing failed."""
    within: list[Any] = []

    def fail() -> None:
        with importing():
            within.append(handler())
            raise ImportError

    with pytest.raises(ImportError):
        fail()

    assert within == [signal.SIG_DFL]
    assert handler() is signal.default_int_handler


@pytest.mark.usefixtures("python_s_own")
def test_whoever_looks_after_ctrl_c_goes_on_doing_so() -> None:
    """A program that imports a command has its own way to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with importing():
        within = handler()

    assert within is signal.SIG_IGN
    assert handler() is signal.SIG_IGN


@pytest.mark.usefixtures("python_s_own")
def test_another_thread_leaves_ctrl_c_alone() -> None:
    """It could not change it."""
    seen: list[Any] = []

    def run() -> None:
        with importing():
            seen.append(handler())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert seen == [signal.default_int_handler]


@pytest.mark.parametrize("collects", [True, False])
def test_nothing_is_looked_through_for_garbage_meanwhile(*, collects: bool) -> None:
    """Afterwards it is as it was, also where somebody else has turned it off."""
    try:
        if not collects:
            gc.disable()
        with importing():
            within = gc.isenabled()
        afterwards = gc.isenabled()
    finally:
        gc.enable()

    assert (within, afterwards) == (False, collects)
