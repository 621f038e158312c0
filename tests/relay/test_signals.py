"""Signals that a loop hears, and what they mean afterwards."""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from consumers.starting.ending import SIGNALS, Ending
from relay.contract.signals import hear, replace_handler

NOBODYS = {signal.SIG_DFL, signal.default_int_handler}
# What is not heard is heard when the loop wakes up for this.
DEADLINE_SECONDS = 10.0
Loop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(autouse=True)
def handlers_as_they_were() -> Iterator[None]:
    """Have signals mean to the next test what they meant to this one."""
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_loop_that_sleeps_hears_a_signal(loop: Loop) -> None:
    """Each one, also of a loop that has nothing else to do."""

    async def sleep_until_heard() -> list[int]:
        heard, overdue = asyncio.Semaphore(0), list[int]()

        def give_up() -> None:
            overdue.append(signal.SIGTERM)
            heard.release()

        hear(signal.SIGTERM, heard.release)
        for _ in range(2):
            # By another process, which begins while this one falls asleep.
            sender = subprocess.Popen(["sh", "-c", f"kill -TERM {os.getpid()}"])
            waiting = asyncio.get_running_loop().call_later(DEADLINE_SECONDS, give_up)
            await heard.acquire()
            waiting.cancel()
            sender.wait()
        return overdue

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(sleep_until_heard()) == []


async def test_from_its_first_to_its_last_meaning_a_signal_is_never_nobodys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that comes between two would end the program as a failure."""
    given: list[Any] = []
    real = signal.signal

    def noted(number: int, handler: Any) -> Any:
        given.append(handler)
        return real(number, handler)

    monkeypatch.setattr("signal.signal", noted)
    monkeypatch.setattr("atexit.register", lambda _: None)
    ending = Ending()
    ending.listen()
    ending.over()

    assert given
    assert not NOBODYS.intersection(given)


def test_a_signal_to_a_loop_that_is_gone_ends_the_program() -> None:
    """It has failed, and whatever keeps it would keep it for ever."""

    async def listen() -> None:
        hear(signal.SIGTERM, lambda: None)

    asyncio.run(listen())
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_breaks_off_what_the_main_thread_waits_for() -> None:
    """Else a program that has failed, and whose threads hang, could not be told to leave."""

    async def listen() -> None:
        hear(signal.SIGTERM, lambda: None)

    asyncio.run(listen())
    gate = threading.Event()
    late = threading.Timer(20, gate.set)
    late.start()
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            gate.wait()
    finally:
        late.cancel()

    assert not gate.is_set()


def test_a_signal_can_be_passed_over() -> None:
    """All has ended, and saying it again changes nothing."""
    replace_handler(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
