"""What becomes of an event after a run."""

from typing import Any

import pytest

from consumers.outcome import Done, Failed, GaveUp, Outcome, Postponed, Skipped, Unreadable
from consumers.retry import Acknowledge, Decision, Retry, SetAside, TryAgain, decide

FAILED = Failed("ValueError", "ValueError: no")


def decided(outcome: Outcome, **changes: Any) -> Decision:
    """Decide on a first run of a new event; the arguments are what matters to the test."""
    values: dict[str, Any] = {
        "attempt": 1,
        "age_seconds": 0.0,
        "policy": Retry(jitter=0),
        "chance": lambda: 0.5,
    }
    return decide(outcome, **(values | changes))


@pytest.mark.parametrize("outcome", [Done(), Skipped("unverified")])
def test_what_is_done_or_not_taken_is_acknowledged(outcome: Outcome) -> None:
    """Both are settled, however often the event was tried."""
    assert decided(outcome) == Acknowledge()
    assert decided(outcome, attempt=99, age_seconds=1e9) == Acknowledge()


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (GaveUp("GiveUp: x"), SetAside("gave_up", "GiveUp: x")),
        (Unreadable("no id"), SetAside("unreadable", "no id", attempted=False)),
        (Unreadable("no text", attempted=True), SetAside("unreadable", "no text")),
        (
            Failed("KeyError", "KeyError: k", retryable=False),
            SetAside("not_retryable", "KeyError: k"),
        ),
    ],
    ids=["gave up", "unreadable", "unreadable in a part", "not retryable"],
)
def test_what_another_attempt_cannot_mend_is_set_aside_at_once(
    outcome: Outcome, verdict: SetAside
) -> None:
    """The reason is a stable word, and the error is kept."""
    assert decided(outcome, attempt=1) == verdict


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 64)]
)
def test_the_default_delays_are_as_documented(attempt: int, seconds: float) -> None:
    """Each is twice the one before."""
    assert decided(FAILED, attempt=attempt) == TryAgain(seconds, "ValueError: no")


@pytest.mark.parametrize("attempt", [8, 9, 1000])
def test_after_the_last_attempt_an_event_is_set_aside(attempt: int) -> None:
    """Also if it was tried more often than the policy says today."""
    assert decided(FAILED, attempt=attempt) == SetAside("attempts_spent", "ValueError: no")


def test_one_attempt_means_no_second() -> None:
    """The count is of runs in all, not of repeats."""
    assert decided(FAILED, policy=Retry(attempts=1)) == SetAside("attempts_spent", FAILED.error)


@pytest.mark.parametrize(
    ("age_seconds", "verdict"),
    [(9.0, TryAgain(1.0, FAILED.error)), (9.001, SetAside("too_old", FAILED.error))],
)
def test_an_event_that_would_be_too_old_by_then_is_not_tried_again(
    age_seconds: float, verdict: Decision
) -> None:
    """What counts is its age after the delay."""
    policy = Retry(jitter=0, max_age_seconds=10)

    assert decided(FAILED, age_seconds=age_seconds, policy=policy) == verdict


def test_without_a_bound_age_does_not_matter() -> None:
    """A backlog of weeks is retried like anything else."""
    assert decided(FAILED, age_seconds=1e9) == TryAgain(1.0, FAILED.error)


@pytest.mark.parametrize(
    ("jitter", "chance", "seconds"),
    [(1.0, 0.0, 4.0), (1.0, 0.75, 1.0), (0.5, 1.0, 2.0), (0.5, 0.0, 4.0), (0.0, 0.9, 4.0)],
)
def test_jitter_is_the_part_that_is_left_to_chance(
    jitter: float, chance: float, seconds: float
) -> None:
    """The delay lies between (1 - jitter) and 1 times the longest."""
    assert Retry(jitter=jitter).delay_seconds(3, chance) == pytest.approx(seconds)


def test_chance_is_asked_for_each_delay() -> None:
    """Events that failed together do not come back together."""
    numbers = iter([0.25, 0.75])
    delays = [
        decided(FAILED, policy=Retry(base_seconds=8), chance=lambda: next(numbers))
        for _ in range(2)
    ]

    assert delays == [TryAgain(6.0, FAILED.error), TryAgain(2.0, FAILED.error)]


def test_no_delay_is_longer_than_the_cap() -> None:
    """Ten minutes by default."""
    policy = Retry(attempts=100, jitter=0)

    assert decided(FAILED, attempt=50, policy=policy) == TryAgain(600.0, FAILED.error)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"attempts": 0}, "attempts"),
        ({"base_seconds": -1}, "base_seconds"),
        ({"cap_seconds": -0.1}, "cap_seconds"),
        ({"jitter": -0.1}, "jitter"),
        ({"jitter": 1.1}, "jitter"),
    ],
)
def test_a_policy_without_meaning_is_refused(changes: dict[str, Any], named: str) -> None:
    """The message names the argument."""
    with pytest.raises(ValueError, match=named):
        Retry(**changes)


@pytest.mark.parametrize("attempt", [1, 8, 1000])
def test_what_is_postponed_is_tried_again_at_the_asked_time(attempt: int) -> None:
    """Nothing has failed, so no attempt is spent; nothing of the time is left to chance."""
    verdict = decided(Postponed(3600.0, "x"), attempt=attempt, policy=Retry(attempts=1, jitter=1))

    assert verdict == TryAgain(3600.0, "x", postponed=True)


@pytest.mark.parametrize(
    ("after_seconds", "verdict"),
    [(9.0, TryAgain(9.0, "x", postponed=True)), (9.001, SetAside("too_old", "x"))],
)
def test_what_is_postponed_beyond_its_age_is_set_aside(
    after_seconds: float, verdict: Decision
) -> None:
    """Else a handler could put an event off for ever."""
    policy = Retry(max_age_seconds=10)

    assert decided(Postponed(after_seconds, "x"), age_seconds=1.0, policy=policy) == verdict
