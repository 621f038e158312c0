"""The time limit of runs that share one timer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from relay.contract import deadline as module
from relay.contract.deadline import Deadlines
from tests.waiting import wait_until

Body = Callable[[], Awaitable[Any]]


async def run(deadlines: Deadlines, body: Body, given: object = None) -> Any:
    """Run a coroutine within its time, as a lane does."""
    task = asyncio.current_task()
    assert task is not None
    with deadlines.of(task, given):
        return await body()


async def hang() -> None:
    """Never end."""
    await asyncio.Event().wait()


async def test_each_of_several_is_ended_in_its_own_time() -> None:
    """They share a timer, which is set anew for the next."""
    deadlines = Deadlines(0.01, lambda _: None)
    ends = await asyncio.gather(*(run(deadlines, hang) for _ in range(3)), return_exceptions=True)
    late = await asyncio.gather(run(deadlines, hang), return_exceptions=True)

    assert [type(end) for end in [*ends, *late]] == [TimeoutError] * 4
    assert deadlines.running == {}


async def test_one_that_began_later_has_its_whole_time() -> None:
    """The timer of the first must not end the second."""
    deadlines = Deadlines(0.05, lambda _: None)
    first = asyncio.create_task(run(deadlines, hang))
    await asyncio.sleep(0.03)
    started = asyncio.get_running_loop().time()
    second = asyncio.create_task(run(deadlines, hang))
    await asyncio.wait({first, second})

    assert asyncio.get_running_loop().time() - started >= 0.05
    assert [type(one.exception()) for one in (first, second)] == [TimeoutError] * 2


async def test_what_ends_in_time_is_not_cancelled_later() -> None:
    """Its lane goes on with the next."""
    deadlines = Deadlines(0.01, lambda _: None)
    assert await run(deadlines, lambda: asyncio.sleep(0, "done")) == "done"
    with pytest.raises(TimeoutError):
        await run(deadlines, hang)
    task = asyncio.current_task()
    assert task is not None

    assert task.cancelling() == 0


async def test_who_is_cancelled_by_others_as_well_stays_cancelled() -> None:
    """A worker's end must not look like a handler's time-out."""
    deadlines = Deadlines(0.01, lambda _: None)

    async def body() -> None:
        try:
            await hang()
        finally:
            task.cancel()

    task = asyncio.create_task(run(deadlines, body))
    await asyncio.wait({task})

    assert task.cancelled()


async def test_who_is_over_its_time_while_it_is_being_cancelled_stays_cancelled() -> None:
    """A handler that cleans up at a worker's end has not failed, and its event goes to another."""
    deadlines = Deadlines(0.01, lambda _: None)

    async def body() -> None:
        try:
            await hang()
        finally:
            await hang()

    task = asyncio.create_task(run(deadlines, body))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()


async def test_one_that_swallows_its_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would go on unseen; what it returns in the end counts."""
    monkeypatch.setattr(module, "OVERDUE_SECONDS", 0.0)
    overdue: list[object] = []
    deadlines = Deadlines(0.01, overdue.append)

    async def body() -> str:
        try:
            await hang()
        except asyncio.CancelledError:
            await wait_until(lambda: bool(overdue), description="it is reported")
        return "after all"

    assert await run(deadlines, body, "the event") == "after all"
    assert overdue == ["the event"]
