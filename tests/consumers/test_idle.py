"""Lanes that wait for entries, and how many of them are woken."""

import asyncio

from consumers.idle import IdleLanes
from tests.waiting import wait_until


class Lanes:
    """Some tasks that wait once, and say when they go on.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self.idle = IdleLanes()
        self.gone_on: list[int] = []
        self.tasks = [asyncio.create_task(self._wait(number)) for number in range(count)]

    async def _wait(self, number: int) -> None:
        await self.idle.wait()
        self.gone_on.append(number)

    async def all_wait(self) -> None:
        """Return when all of them wait."""
        await wait_until(lambda: self.idle.count == len(self.tasks), description="all wait")


async def test_one_is_woken_however_often_it_is_said_before_it_goes_on() -> None:
    """A page of entries must not wake every lane of a handler that needs one."""
    lanes = Lanes(3)
    await lanes.all_wait()
    lanes.idle.wake()
    lanes.idle.wake()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert lanes.gone_on == [0]
    assert lanes.idle.count == 2


async def test_the_next_is_woken_by_the_one_that_has_gone_on() -> None:
    """It finds more than it can do."""
    lanes = Lanes(3)
    await lanes.all_wait()
    for number in range(3):
        lanes.idle.wake()
        await wait_until(lambda n=number: len(lanes.gone_on) == n + 1, description="one more")  # type: ignore[misc]

    assert lanes.gone_on == [0, 1, 2]


async def test_one_that_is_cancelled_once_it_was_woken_has_another_go_on() -> None:
    """An entry must not wait while a lane is idle."""
    lanes = Lanes(2)
    await lanes.all_wait()
    lanes.idle.wake()
    lanes.tasks[0].cancel()
    await wait_until(lambda: lanes.gone_on == [1], description="the other goes on")

    assert lanes.tasks[0].cancelled()


async def test_one_that_was_cancelled_before_is_passed_over() -> None:
    """It is not there any more."""
    lanes = Lanes(2)
    await lanes.all_wait()
    lanes.tasks[0].cancel()
    await asyncio.wait({lanes.tasks[0]})
    lanes.idle.wake()
    await wait_until(lambda: lanes.gone_on == [1], description="the other goes on")

    assert lanes.idle.count == 0


async def test_nobody_to_wake_is_no_fault() -> None:
    """All lanes are at work, and look by themselves."""
    idle = IdleLanes()
    idle.wake()

    assert idle.count == 0
