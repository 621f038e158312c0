"""Counts what an operation did to dead letters, each of them once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from consumers.operations.dead.choose import Problem
from consumers.operations.dead.letters import Book, DeadLetter
from consumers.operations.progress import Progress, Report

# So many of those that are left are named one by one.
NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an operation has done.

    Args:
        done: To how many letters, each counted once.
        by_group: The same of each group, over all tags.
        left: How many are left as they are, and why.
        named: The first of those.
    """

    done: int
    by_group: Mapping[str, int]
    left: Mapping[Problem, int]
    named: Sequence[tuple[DeadLetter, Problem]]


class Tally:
    """Adds up, and tells.

    Args:
        report: Is told after each step.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._seen = 0
        self._done: Counter[str] = Counter()
        self._left: Counter[Problem] = Counter()
        self._named: list[tuple[DeadLetter, Problem]] = []

    def see(self, letters: int) -> None:
        """Count letters that were looked at."""
        self._seen += letters
        self._tell()

    def do(self, book: Book, letters: int) -> None:
        """Count letters that the operation was done to."""
        self._done[book.group] += letters
        self._tell()

    def leave(self, letters: Iterable[tuple[DeadLetter, Problem]]) -> None:
        """Count letters that stay, and remember the first of them."""
        for letter, problem in letters:
            self._left[problem] += 1
            if len(self._named) < NAMED:
                self._named.append((letter, problem))

    @property
    def result(self) -> Result:
        """What was done until now."""
        return Result(
            done=self._done.total(),
            by_group=+self._done,
            left=dict(self._left),
            named=tuple(self._named),
        )

    def _tell(self) -> None:
        done, left = self._done.total(), self._left.total()
        self._report(Progress(seen=self._seen, done=done, left=left))
