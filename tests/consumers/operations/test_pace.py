"""How fast an operation goes."""

import pytest

from consumers.operations.pace import Pace


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


async def test_an_operation_goes_at_its_rate_and_not_faster() -> None:
    """The first goes at once, and each share is paid for before the next."""
    clock = Clock()
    pace = Pace(50, clock, clock.sleep)
    gone = 0
    while gone < 100:
        await pace.wait()
        share = pace.share(64)
        pace.spend(share)
        gone += share

    assert share == 10
    assert clock.now - 100.0 == pytest.approx(1.8)


async def test_a_pause_is_not_made_up_for() -> None:
    """After a time in which nothing was done it goes as slowly as before."""
    clock = Clock()
    pace = Pace(10, clock, clock.sleep)
    await clock.sleep(60)
    pace.spend(10)
    await pace.wait()

    assert clock.now == pytest.approx(161.0)


@pytest.mark.parametrize(("per_second", "share"), [(None, 64), (0.5, 1), (1000, 64), (30, 6)])
async def test_what_goes_at_once_is_a_fifth_of_a_second_at_most(
    per_second: float | None, share: int
) -> None:
    """Without a rate it is all that is asked for, and never less than one."""
    assert Pace(per_second).share(64) == share
