"""The bound on deliveries per second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.errors import RateLimited
from relay.rate import Rate


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def taken(rate: Rate, wanted: int) -> int:
    """Take as many as there are, up to a number."""
    for number in range(wanted):
        try:
            rate.take()
        except RateLimited:
            return number
    return wanted


def test_a_burst_is_taken_and_then_what_fills_up() -> None:
    """As many at once as the burst, then as many as the time that has passed gives."""
    clock = Clock()
    rate = Rate(10.0, 20, clock)
    at_once = taken(rate, 100)
    clock.now += 0.5
    after_half_a_second = taken(rate, 100)
    clock.now += 3600
    after_an_hour = taken(rate, 100)

    assert [at_once, after_half_a_second, after_an_hour] == [20, 5, 20]


@pytest.mark.parametrize(("per_second", "seconds"), [(10.0, 1), (1.0, 1), (0.1, 10)])
def test_who_is_refused_is_told_when_there_is_room(per_second: float, seconds: int) -> None:
    """After that many whole seconds one more is taken."""
    clock = Clock()
    rate = Rate(per_second, 1, clock)
    rate.take()
    with pytest.raises(RateLimited) as refusal:
        rate.take()

    clock.now += refusal.value.retry_after_seconds
    rate.take()

    assert refusal.value.retry_after_seconds == seconds


@given(
    st.floats(0.01, 1e6),
    st.integers(1, 10_000),
    st.lists(st.floats(0, 10), max_size=50),
)
def test_never_more_than_the_rate_allows(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    """Whatever the pauses are, no more are taken than the burst and what the time gave."""
    clock = Clock()
    rate = Rate(per_second, burst, clock)
    count = 0
    for pause in pauses:
        clock.now += pause
        count += taken(rate, 20)

    assert count <= burst + sum(pauses) * per_second + 1e-6
