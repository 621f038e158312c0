"""How far an operation has come, told after each page."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What was done so far.

    Args:
        seen: Entries looked at.
        done: Entries that the operation was done to, each counted once.
        left: Entries that were meant and that it could not be done to.
        total: How many are meant in all, where that is known.
    """

    seen: int = 0
    done: int = 0
    left: int = 0
    total: int | None = None


Report = Callable[[Progress], None]


def unheard(_: Progress) -> None:
    """Report to nobody."""
