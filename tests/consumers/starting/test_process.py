"""A process ends in order, also where handlers go on: what is to be said before is said."""

import asyncio
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers.starting import process as module
from consumers.starting.ending import SIGNALS, Ending
from consumers.starting.process import run_process
from relay.contract.errors import RelayError


class Left(BaseException):
    """Stands for the end of the interpreter; its text is the exit code."""


class Spoilt(RelayError):
    """The process cannot go on."""


@dataclass
class Played:
    """A process that is told how it ends.

    Args:
        left_running: How many handlers go on.
        failure: What it raises.
        happened: What was done, in order.
    """

    left_running: int
    failure: BaseException | None
    happened: list[str] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Work."""
        self.happened.append("ran")
        if self.failure is not None:
            raise self.failure

    def hurry(self) -> None:
        """Give running handlers no more time."""

    async def farewell(self) -> None:
        """Say goodbye."""
        await asyncio.sleep(0)
        self.happened.append("farewell")


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the interpreter go on."""

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr("os._exit", leave)


async def ended(left_running: int = 0, failure: BaseException | None = None) -> tuple[Any, ...]:
    """Run a process; give how it ended, and what was done until then."""
    process = Played(left_running, failure)
    try:
        with capture_logs():
            await run_process(process, Ending(), process.farewell)
    except (Left, Spoilt, KeyError) as error:
        return type(error), str(error), process.happened
    return None, "", process.happened


@pytest.mark.parametrize(
    ("left_running", "failure", "how"),
    [
        (0, None, (None, "")),
        (0, Spoilt("spoilt"), (Spoilt, "spoilt")),
        (0, KeyError(), (KeyError, "")),
        (2, None, (Left, "0")),
        (2, Spoilt("spoilt"), (Left, "1")),
        (2, KeyError(), (Left, "1")),
    ],
    ids=[
        "in order",
        "failed",
        "by a fault",
        "handlers go on",
        "failed and handlers go on",
        "by a fault and handlers go on",
    ],
)
async def test_a_farewell_is_said_however_a_process_ends(
    left_running: int, failure: BaseException | None, how: tuple[Any, ...]
) -> None:
    """The last counts are in it; where handlers go on, nothing after that is reached."""
    assert await ended(left_running, failure) == (*how, ["ran", "farewell"])


async def test_a_farewell_is_not_cut_off_by_a_signal() -> None:
    """An impatient Ctrl-C when all has ended must not take the last counts with it."""
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGHUP)}
    process, ending = Played(0, None), Ending()

    async def farewell() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await process.farewell()

    try:
        ending.listen()
        await run_process(process, ending, farewell)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert process.happened == ["ran", "farewell"]


async def test_what_has_failed_is_said_although_handlers_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody else can say it: who would catch it is not reached."""
    await ended(2, Spoilt("spoilt"))

    assert capsys.readouterr().err == "relay: spoilt\n"


async def test_what_handlers_have_printed_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file or a pipe it waits for more, and the interpreter does not end as usual."""
    flushed: list[str] = []

    class Printed:
        def flush(self) -> None:
            flushed.append("all")

    monkeypatch.setattr(sys, "stdout", Printed())
    how, _, _ = await ended(1)

    assert how is Left
    assert flushed == ["all"]


async def test_printed_lines_that_nobody_reads_keep_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pipe that is full may stay so."""
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    gate = threading.Event()

    class Stuck:
        def flush(self) -> None:
            gate.wait()

    monkeypatch.setattr(sys, "stdout", Stuck())
    try:
        how, _, _ = await asyncio.wait_for(ended(1), 10)
    finally:
        gate.set()

    assert how is Left
