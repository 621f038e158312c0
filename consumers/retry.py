"""Pure: how a run ended, how often it was tried, and the policy in; what to do next out."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from consumers.outcome import (
    Done,
    Failed,
    GaveUp,
    Outcome,
    Poisonous,
    Postponed,
    Skipped,
    Unreadable,
    are_exceptions,
)

DeadReason = Literal[
    "attempts_spent",
    "too_old",
    "not_retryable",
    "gave_up",
    "invalid_payload",
    "outcome_unknown",
    "unreadable",
    "poison",
]


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed event is tried again.

    The delay before attempt n + 1 lies between ``(1 - jitter)`` and 1 times
    ``base_seconds × 2^(n-1)``, at most ``cap_seconds``. With the defaults the longest delays are:

    ======= === === === === === === ====
    after    1   2   3   4   5   6   7
    ======= === === === === === === ====
    seconds  1   2   4   8  16  32  64
    ======= === === === === === === ====

    Args:
        attempts: How often an event is tried in all, 1 or more.
        base_seconds: The longest delay after the first attempt.
        cap_seconds: The longest delay ever.
        jitter: Which part of the delay is left to chance, 0 to 1. Full jitter keeps events that
            failed together from coming back together.
        max_age_seconds: An event older than this is not tried again; none for no bound.
        on: Only these exceptions are retried; others go to the dead letters at once.
    """

    attempts: int = 8
    base_seconds: float = 1.0
    cap_seconds: float = 600.0
    jitter: float = 1.0
    max_age_seconds: float | None = None
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        if not is_whole(self.attempts, at_least=1):
            raise ValueError("Retry(attempts=…) must be a whole number, 1 or more")
        for name in ("base_seconds", "cap_seconds"):
            seconds = getattr(self, name)
            if not is_finite(seconds) or seconds < 0:
                raise ValueError(f"Retry({name}=…) must be a number of seconds, 0 or more")
        if not 0 <= self.jitter <= 1:
            raise ValueError("Retry(jitter=…) must lie between 0 and 1")
        if not are_exceptions(self.on):
            raise ValueError("Retry(on=…) must be a tuple of exceptions, as (ValueError,)")

    def delay_seconds(self, attempt: int, chance: float) -> float:
        """Say how long to wait after an attempt.

        Args:
            attempt: The attempt that failed, from 1.
            chance: A random number from 0 up to 1.

        Returns:
            Seconds, never negative, never over ``cap_seconds``, finite for any attempt.
        """
        doublings = min(attempt - 1, 63)
        longest = min(self.cap_seconds, self.base_seconds * 2.0**doublings)
        return longest * (1 - self.jitter * chance)


def is_whole(value: object, *, at_least: int) -> bool:
    """Tell whether a user gave a whole number that is large enough."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def is_finite(value: object) -> bool:
    """Tell whether a user gave a number that is one."""
    return isinstance(value, int | float) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The event is settled."""


ACKNOWLEDGE = Acknowledge()


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The event waits for another attempt.

    Args:
        delay_seconds: How long.
        error: The error of this attempt.
        postponed: The handler asked for it; the attempt has not failed.
    """

    delay_seconds: float
    error: str
    postponed: bool = False


@dataclass(frozen=True, slots=True)
class SetAside:
    """The event goes to the dead letters.

    Args:
        reason: Why, as a stable word.
        error: The last error.
        attempted: A run of the handler led to this; none did where it was not given the event.
    """

    reason: DeadReason
    error: str
    attempted: bool = True


Decision = Acknowledge | TryAgain | SetAside


def decide(
    outcome: Outcome,
    *,
    attempt: int,
    age_seconds: float,
    policy: Retry,
    chance: Callable[[], float] = random.random,
) -> Decision:
    """Say what becomes of an event after a run.

    Args:
        outcome: How the run ended.
        attempt: Which run it was, from 1; those that the handler postponed do not count.
        age_seconds: How long ago the event was stored.
        policy: The handler's.
        chance: Gives a random number from 0 up to 1.
    """
    match outcome:
        case Done() | Skipped():
            return ACKNOWLEDGE
        case GaveUp(error, reason):
            return SetAside(reason, error)
        case Unreadable(error, attempted):
            return SetAside("unreadable", error, attempted)
        case Postponed():
            return _after_postponing(outcome, age_seconds, policy)
        case Poisonous(strikes):
            error = f"{strikes} strikes: processes died while it ran alone"
            return SetAside("poison", error, attempted=False)
        case Failed(error=error):
            return _after_failure(outcome, attempt, age_seconds, policy, chance)


def _after_postponing(postponed: Postponed, age_seconds: float, policy: Retry) -> Decision:
    after_seconds, error = postponed.after_seconds, postponed.error
    if _gets_too_old(age_seconds + after_seconds, policy):
        return SetAside("too_old", error)
    return TryAgain(after_seconds, error, postponed=True)


def _after_failure(
    failed: Failed, attempt: int, age_seconds: float, policy: Retry, chance: Callable[[], float]
) -> Decision:
    if not failed.retryable:
        return SetAside("not_retryable", failed.error)
    if attempt >= policy.attempts:
        return SetAside("attempts_spent", failed.error)
    delay_seconds = policy.delay_seconds(attempt, chance())
    if _gets_too_old(age_seconds + delay_seconds, policy):
        return SetAside("too_old", failed.error)
    return TryAgain(delay_seconds, failed.error)


def _gets_too_old(age_seconds: float, policy: Retry) -> bool:
    return policy.max_age_seconds is not None and age_seconds > policy.max_age_seconds
