"""What holds for every policy and every attempt."""

import math

from hypothesis import example, given
from hypothesis import strategies as st

from consumers.retry import Retry

seconds = st.floats(min_value=0, max_value=1e12)
attempts = st.integers(min_value=1, max_value=10**6)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(base=seconds, cap=seconds, attempt=attempts)
@example(base=1.0, cap=600.0, attempt=1)
@example(base=1.0, cap=600.0, attempt=10**6)
@example(base=1e12, cap=1e12, attempt=10**6)
def test_without_jitter_a_delay_never_falls_from_one_attempt_to_the_next(
    base: float, cap: float, attempt: int
) -> None:
    """An event that fails again never comes back sooner than before."""
    policy = Retry(base_seconds=base, cap_seconds=cap, jitter=0)

    assert policy.delay_seconds(attempt, 0.5) <= policy.delay_seconds(attempt + 1, 0.5)


@given(
    base=seconds,
    cap=seconds,
    jitter=st.floats(min_value=0, max_value=1),
    attempt=attempts,
    chance=chances,
)
@example(base=1.0, cap=600.0, jitter=1.0, attempt=10**6, chance=0.0)
def test_every_delay_is_finite_and_between_nothing_and_the_cap(
    base: float, cap: float, jitter: float, attempt: int, chance: float
) -> None:
    """Whatever the policy, the attempt and the chance."""
    delay = Retry(base_seconds=base, cap_seconds=cap, jitter=jitter).delay_seconds(attempt, chance)

    assert math.isfinite(delay)
    assert 0 <= delay <= cap


@given(base=seconds, attempt=attempts, jitter=st.floats(min_value=0, max_value=1), chance=chances)
def test_a_delay_lies_in_the_part_of_the_longest_that_is_not_left_to_chance(
    base: float, attempt: int, jitter: float, chance: float
) -> None:
    """Between (1 - jitter) and 1 times what it is without jitter."""
    longest = Retry(base_seconds=base, jitter=0).delay_seconds(attempt, chance)
    delay = Retry(base_seconds=base, jitter=jitter).delay_seconds(attempt, chance)

    assert longest * (1 - jitter) <= delay <= longest
