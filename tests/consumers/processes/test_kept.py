"""A worker process as its parent sees it: up when it says so, ended when it is told."""

import asyncio
import os
import sys

import pytest

from consumers.metrics.families import WORKER
from consumers.processes import kept
from consumers.processes.kept import KeptWorker, Wanted, WorkerDidNotStart
from relay.supervise.line import Lines
from relay.supervise.messages import Accepting, framed
from tests.waiting import wait_until

# Each is a child's program; the descriptor of the line is its first argument.
BEGINS = "import os, signal, sys, time; line = int(sys.argv[1]); "
UP = f"{BEGINS} os.write(line, {framed(Accepting())!r})"
HEARS_NOTHING = f"{UP}; time.sleep(1000)"
ENDS_WHEN_TOLD = f"{UP}; os.read(line, 1)"


def keep(script: str, monkeypatch: pytest.MonkeyPatch, *, grace_seconds: float = 60) -> KeptWorker:
    """Keep a program running in the place of a worker process."""

    def command(_: str, descriptor: str, target: str) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", script, descriptor, target]

    monkeypatch.setattr(kept, "module_command", command)
    wanted = Wanted(target="handlers:worker", environ=os.environ, grace_seconds=grace_seconds)
    return KeptWorker("worker-1", wanted, Lines(WORKER))


async def test_what_ends_before_it_works_is_told_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The parent ends with the same one, since the child has said why."""
    worker = keep("raise SystemExit(7)", monkeypatch)
    with pytest.raises(WorkerDidNotStart) as caught:
        await worker.start()
    await worker.stop()

    assert caught.value.exit_code == 7


async def test_a_worker_is_told_to_end_over_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM would be a second one where the system has sent one to every process."""
    worker = keep(ENDS_WHEN_TOLD, monkeypatch)
    await worker.start()
    await asyncio.wait_for(worker.stop(), 10)
    assert worker._process is not None

    assert worker._process.returncode == 0


async def test_a_worker_that_is_still_starting_is_ended_by_a_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It hears nothing yet, and a module may take minutes to import."""
    worker = keep("import time; time.sleep(1000)", monkeypatch)
    starting = asyncio.create_task(worker.start())
    await wait_until(lambda: worker._process is not None, description="it is starting")
    starting.cancel()
    await asyncio.wait({starting}, timeout=10)
    await worker.stop()

    assert starting.cancelled()
    assert worker._process is not None
    assert worker._process.returncode is not None


async def test_a_worker_that_does_not_hurry_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before its grace is over."""
    worker = keep(HEARS_NOTHING, monkeypatch, grace_seconds=1000)
    await worker.start()
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    monkeypatch.setattr(kept, "END_SECONDS", 0.05)
    worker.hurry()
    await asyncio.wait_for(stopping, 10)
    assert worker._process is not None

    assert worker._process.returncode == -9
