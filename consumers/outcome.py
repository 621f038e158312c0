"""How one run of a handler ended."""

from dataclasses import dataclass, field
from datetime import timedelta
from math import isfinite
from typing import Literal

GiveUpReason = Literal["gave_up", "invalid_payload", "outcome_unknown"]
MAX_LATER_SECONDS = 30 * 86_400.0


class GiveUp(Exception):
    """Raised by a handler: trying again is useless, set the event aside at once."""

    reason: GiveUpReason = "gave_up"


class RetryLater(Exception):
    """Raised by a handler: nothing has failed, run it for this event again, but later.

    Args:
        after: In how many seconds, or a `timedelta`; from 0 to 30 days.
        message: Why, for the dead letter that the event becomes if it gets too old.

    Raises:
        TypeError: ``after`` is neither.
        ValueError: It is below 0, above 30 days, or no number.
    """

    def __init__(self, after: float | timedelta, message: str = "") -> None:
        seconds = after.total_seconds() if isinstance(after, timedelta) else after
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise TypeError("RetryLater(after=…) takes a number of seconds or a timedelta")
        if not isfinite(seconds) or not 0 <= seconds <= MAX_LATER_SECONDS:
            raise ValueError("RetryLater(after=…) must lie between 0 seconds and 30 days")
        # Both as they came, so that another process can make it anew from them.
        super().__init__(after, message)
        self.after_seconds = float(seconds)
        self._message = message

    def __str__(self) -> str:
        return self._message or f"after {self.after_seconds:g} s"


@dataclass(frozen=True, slots=True)
class Done:
    """The handler returned."""


DONE = Done()


@dataclass(frozen=True, slots=True)
class Skipped:
    """The handler does not take this event, and need not.

    Args:
        why: For the log.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised, or took too long.

    Args:
        kind: The exception's class, for logs.
        error: Class and message, for the dead letter only: it may quote a payload.
        retryable: Whether the handler's policy retries this kind.
        frames: Where it was raised, innermost last, for logs.
    """

    kind: str
    error: str
    retryable: bool = True
    frames: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Postponed:
    """The handler raised `RetryLater`.

    Args:
        after_seconds: How long the event is to wait.
        error: Its message, for the dead letter only.
    """

    after_seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The handler raised `GiveUp`.

    Args:
        error: Its message, for the dead letter only.
        reason: Why, as a stable word.
    """

    error: str
    reason: GiveUpReason = "gave_up"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The entry is not in the contract's form, or not in a part that its handler asked for.

    Args:
        error: What is wrong with it.
        attempted: Its handler was run, and asked for the part.
    """

    error: str
    attempted: bool = False


@dataclass(frozen=True, slots=True)
class Poisonous:
    """Too many processes died while the entry ran, so it was not run again.

    Args:
        strikes: How many.
    """

    strikes: int


Outcome = Done | Skipped | Failed | Postponed | GaveUp | Unreadable | Poisonous


def are_exceptions(kinds: object) -> bool:
    """Tell whether something is a tuple of exceptions, as options take it."""
    return isinstance(kinds, tuple) and all(
        isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds
    )
