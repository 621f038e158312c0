"""How one run of a handler ended."""

from dataclasses import dataclass
from typing import Literal


class GiveUp(Exception):
    """Raised by a handler: trying again is useless, set the event aside at once."""


@dataclass(frozen=True, slots=True)
class Done:
    """The handler returned."""


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
    """

    kind: str
    error: str
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The handler raised `GiveUp`.

    Args:
        error: Its message, for the dead letter only.
        reason: Why, as a stable word.
    """

    error: str
    reason: Literal["gave_up", "outcome_unknown"] = "gave_up"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The entry is not in the contract's form, so no handler saw it.

    Args:
        error: What is wrong with it.
    """

    error: str


Outcome = Done | Skipped | Failed | GaveUp | Unreadable
