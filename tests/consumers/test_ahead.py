"""How many entries wait for a handler whose declaration leaves that to its speed."""

import pytest

from consumers.ahead import LEAST, MOMENT_SECONDS, MOST, ReadAhead


class Clock:
    """Monotonic seconds that stand still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@pytest.mark.parametrize(
    ("settled_in_a_second", "entries"),
    [(0, LEAST), (100, LEAST), (10_000, 500), (1_000_000, MOST)],
)
def test_as_many_wait_as_are_settled_in_a_moment(settled_in_a_second: int, entries: int) -> None:
    """Within bounds: a slow handler keeps the least, a quick one the most."""
    clock = Clock()
    ahead = ReadAhead(None, clock)
    clock.now += 1.0
    ahead.settled = settled_in_a_second
    ahead.adapt()

    assert ahead.entries == pytest.approx(entries, abs=1)


def test_a_handler_that_has_become_slow_has_less_waiting() -> None:
    """What it has in hand is kept from other processes."""
    clock = Clock()
    ahead = ReadAhead(None, clock)
    clock.now += 1.0
    ahead.settled = 1_000_000
    ahead.adapt()
    clock.now += 1.0
    ahead.settled = 10
    ahead.adapt()

    assert ahead.entries == LEAST


def test_it_is_not_looked_at_before_a_moment_has_passed() -> None:
    """One page of acknowledgements says nothing of the speed."""
    clock = Clock()
    ahead = ReadAhead(None, clock)
    clock.now += MOMENT_SECONDS / 2
    ahead.settled = 1_000
    ahead.adapt()

    assert ahead.entries == LEAST


@pytest.mark.parametrize("declared", [0, 7])
def test_what_is_declared_stays(declared: int) -> None:
    """Whoever sets a number gets it."""
    clock = Clock()
    ahead = ReadAhead(declared, clock)
    clock.now += 1.0
    ahead.settled = 1_000_000
    ahead.adapt()

    assert ahead.entries == declared
