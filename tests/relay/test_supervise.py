"""A child process that is kept running: started again when it ends, given up, and ended."""

import asyncio
import math
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from relay.contract.errors import RelayError
from relay.supervise import KeptProcess, kept, start_child
from tests.waiting import wait_until

STUBBORN = "trap '' TERM; touch {}; while :; do sleep 0.05; done"


def keep(
    script: str, *, up: Callable[[Process], Awaitable[None]] | None = None, starts: float = 3
) -> KeptProcess:
    """Keep a shell script running; by default it counts as up at once."""

    async def at_once(_: Process) -> None:
        pass

    async def terminate(process: Process) -> None:
        process.terminate()

    return KeptProcess(
        "script",
        lambda: start_child(["/bin/sh", "-c", script]),
        wait_until_up=up or at_once,
        ask_to_end=terminate,
        grace_seconds=0.5,
        starts=starts,
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start again without a pause."""
    monkeypatch.setattr(kept, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(kept, "LAST_PAUSE_SECONDS", 0.01)


async def test_what_ends_is_started_again(impatient: None, tmp_path: Path) -> None:
    """However often, as long as each start succeeds."""
    script = keep(f"echo run >> {tmp_path}/runs")

    await script.start()
    await wait_until(
        lambda: (tmp_path / "runs").exists() and (tmp_path / "runs").read_text().count("run") > 5,
        description="it was started again and again",
    )
    await script.stop()

    assert script.pid is None


async def test_what_cannot_start_again_is_given_up(impatient: None) -> None:
    """After a number of failures in a row, with the last one's reason."""
    attempts = []

    async def only_once(_: Process) -> None:
        attempts.append(1)
        if len(attempts) > 1:
            raise RelayError("its file is broken")

    script = keep("sleep 0.01", up=only_once)
    await script.start()

    reason = await asyncio.wait_for(script.failed(), 10)

    assert str(reason) == "its file is broken"
    assert len(attempts) == 1 + 3
    await script.stop()


async def test_a_first_start_that_fails_raises(impatient: None) -> None:
    """Nothing of it is left, and it may be tried again."""

    async def never(_: Process) -> None:
        raise RelayError("no")

    script = keep("sleep 60", up=never)
    for _ in range(2):
        with pytest.raises(RelayError, match="no"):
            await script.start()

        assert script.pid is None
    await script.stop()


async def test_what_is_begun_is_tried_until_it_comes_up(impatient: None) -> None:
    """However often that takes; what had never run was not started again."""
    attempts = []

    async def at_last(_: Process) -> None:
        attempts.append(1)
        if len(attempts) < 20:
            raise ValueError("a bug") if len(attempts) % 2 else RelayError("not yet")

    script = keep("sleep 60", up=at_last, starts=math.inf)
    script.begin()
    script.begin()
    await wait_until(lambda: len(attempts) == 20, description="it came up")
    await script.start()

    assert script.pid is not None
    assert script.restarts == 0
    await script.stop()
    assert script.pid is None


async def test_each_start_after_an_end_is_counted(impatient: None) -> None:
    """Once for each time that it came up again."""
    script = keep("sleep 0.01")

    await script.start()
    await wait_until(lambda: script.restarts >= 3, description="it was started again")
    await script.stop()


async def test_what_will_not_end_is_killed(tmp_path: Path) -> None:
    """After its grace, and not before."""
    script = keep(STUBBORN.format(tmp_path / "up"))
    await script.start()
    await wait_until((tmp_path / "up").exists, description="it runs")
    began = asyncio.get_running_loop().time()

    await asyncio.gather(script.stop(), script.stop())

    assert 0.5 <= asyncio.get_running_loop().time() - began < 5
    assert script.pid is None
