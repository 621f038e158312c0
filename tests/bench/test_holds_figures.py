"""What computes a verdict computes it right."""

from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.holds.figures import growth, marks, mib, told
from bench.holds.sender.tally import Tally, per_second, recovered_after
from bench.statistic import percentile


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(
    values: list[float], per_cent: int
) -> None:
    """By counting, for any values."""
    found = percentile(values, per_cent)
    below = [value for value in values if value < found]

    assert found in values
    assert 100 * sum(value <= found for value in values) >= per_cent * len(values)
    assert 100 * len(below) < per_cent * len(values)


def test_figures_are_told_with_their_units() -> None:
    """As they stand in the tables."""
    assert marks(array("f", [1.0, 2.0, 4.0])) == {"p50": 2.0, "p99": 4.0, "max": 4.0}
    assert marks([]) == {}
    assert mib(3 * 1024 * 1024) == 3.0
    assert told({"200": 1000, "503": 2}) == "200: 1,000, 503: 2"
    assert told({}) == "none"


@pytest.mark.parametrize(
    ("later", "grown"),
    [
        ({1: 100, 2: 50}, 1.0),
        ({1: 100, 2: 60}, 1.2),
        ({1: 190, 2: 50}, 1.9),
        ({1: 100, 3: 80}, 1.2),
        ({1: 80, 2: 40}, 0.8),
    ],
)
def test_one_process_that_grows_is_not_hidden_by_others(
    later: dict[int, int], grown: float
) -> None:
    """Nor one that takes the place of another."""
    assert growth({1: 100, 2: 50}, later) == pytest.approx(grown)


def _tally(stored: list[int], due: int = 10) -> Tally:
    """Make a run of tenths of a second, in each of which so many of those due were stored."""
    buckets = {
        number: Counter({"200": count, "503": due - count}) for number, count in enumerate(stored)
    }
    return Tally(buckets=buckets)


@pytest.mark.parametrize(
    ("stored", "seconds"),
    [
        ([10] * 20, 0.0),
        ([0] * 5 + [10] * 15, 0.5),
        ([0] * 4 + [10] * 16, 0.5),
        ([10] * 10 + [9] * 5 + [10] * 5, 1.5),
        ([10] * 15 + [0] * 5, None),
        ([10] * 19 + [8], 0.0),
    ],
)
def test_recovery_is_over_when_nothing_falls_back_any_more(
    stored: list[int], seconds: float | None
) -> None:
    """By half seconds, each of which must be stored but for one in twenty."""
    before = [0] * 10

    assert recovered_after(_tally(before + stored), 1.0, 3.0) == seconds


def test_a_rate_is_of_what_was_due_between_two_times() -> None:
    """What came before and after does not count."""
    tally = _tally([1, 2, 3, 4, 5, 6])

    assert per_second(tally, "200", 0.1, 0.4) == pytest.approx(30.0)
    assert per_second(tally, "503", 0.0, 0.1) == pytest.approx(90.0)
