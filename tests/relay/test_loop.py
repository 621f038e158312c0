"""What a program says of failures that nobody looks at."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.contract.loop import run


def fail() -> None:
    """Fail with a message that must stay unsaid."""
    raise ValueError("hunter2")


async def start_thread() -> None:
    """Have a thread fail, as a handler's own may."""
    thread = threading.Thread(target=fail)
    thread.start()
    await asyncio.to_thread(thread.join)


async def start_task() -> None:
    """Have a task fail that nobody waits for."""

    async def fail_later() -> None:
        fail()

    task = asyncio.create_task(fail_later())
    await asyncio.wait({task})


@pytest.mark.parametrize(
    ("start", "said"), [(start_thread, "thread_failed"), (start_task, "task_failed")]
)
def test_what_nobody_waits_for_is_said_without_its_message(
    start: Callable[[], Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Kind and place are enough to find it; the message may quote a payload."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    with capture_logs() as logs:
        run(start())

    assert [(line["event"], line["error"]) for line in logs] == [(said, "ValueError")]
    assert "hunter2" not in str(logs)
    assert capfd.readouterr().err == ""


def test_whoever_looks_after_threads_already_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a service that collects failures does."""
    seen: list[str] = []

    def collect(failure: threading.ExceptHookArgs) -> None:
        seen.append(failure.exc_type.__name__)

    monkeypatch.setattr(threading, "excepthook", collect)
    run(start_thread())

    assert seen == ["ValueError"]


WITHOUT_STREAMS = """
import asyncio, os, sys

os.close(0)
os.close(1)
from relay.contract.loop import run


async def start_a_program() -> int:
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    return await program.wait()


sys.exit(run(start_a_program()))
"""


def test_a_program_whose_standard_streams_are_closed_runs_all_the_same() -> None:
    """As some supervisors start it."""
    ended = subprocess.run([sys.executable, "-c", WITHOUT_STREAMS], check=False, timeout=60)

    assert ended.returncode == 0
