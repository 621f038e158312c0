"""What is counted while events are handled: slots of plain numbers, found by one look-up.

Labels are put to them only when somebody asks. An event that is handled costs less than half a
microsecond here.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Literal

from consumers.metrics import families
from consumers.metrics.families import AGE_BOUNDS, RUN_BOUNDS
from relay.contract.keys import endpoint_of
from relay.contract.tally import Family, Labels, Spread, Tally, total

Ending = Literal["handled", "failed", "postponed", "skipped"]

_PLAIN = (
    (families.HANDLED, "handled"),
    (families.FAILED, "failed"),
    (families.RETRIED, "retried"),
    (families.POSTPONED, "postponed"),
    (families.SKIPPED, "skipped"),
)


class _Counts:
    """What one handler has done for one tag."""

    __slots__ = (
        "age_seconds",
        "ages",
        "dead",
        "others",
        "postponed",
        "retried",
        "run_seconds",
        "runs",
    )

    def __init__(self) -> None:
        self.runs = [0] * (len(RUN_BOUNDS) + 1)
        self.run_seconds = 0.0
        self.ages = [0] * (len(AGE_BOUNDS) + 1)
        self.age_seconds = 0.0
        # Those that are handled are not counted one by one: they are the runs but for these.
        self.others: Counter[Ending] = Counter()
        self.retried = self.postponed = 0
        self.dead: Counter[str] = Counter()

    @property
    def handled(self) -> int:
        return sum(self.runs) - self.others["failed"] - self.others["postponed"]

    @property
    def failed(self) -> int:
        return self.others["failed"]

    @property
    def skipped(self) -> int:
        return self.others["skipped"]


class HandlerRecord:
    """Counts for one handler.

    Args:
        handler: Its name.
        clock: Seconds since the epoch.
    """

    def __init__(self, handler: str, clock: Callable[[], float] = time.time) -> None:
        self._handler = handler
        self._clock = clock
        self._by_tag: dict[str, _Counts] = {}

    def ran(self, tag: str, began: float, received_at: float | None, ending: Ending) -> float:
        """Count what came of an event that was to be run just now.

        Args:
            tag: Where it stands.
            began: When that began, seconds since the epoch.
            received_at: When it was received, seconds since the epoch; none where it was to be
                run before: a retry is late by its nature.
            ending: How it ended.

        Returns:
            The seconds that the run took; 0 where there was none.
        """
        counts = self._by_tag.get(tag) or self._open(tag)
        if ending != "handled":
            counts.others[ending] += 1
            if ending == "skipped":
                return 0.0
        seconds = self._clock() - began
        if seconds < 0.0:  # noqa: PLR1730 - half the time of max()
            seconds = 0.0  # the machine's clock was set back, and no sum may fall
        counts.runs[bisect_left(RUN_BOUNDS, seconds)] += 1
        counts.run_seconds += seconds
        if received_at is not None:
            age_seconds = began - received_at
            if age_seconds < 0.0:  # noqa: PLR1730 - the same
                age_seconds = 0.0  # the gateway's clock is ahead of ours
            counts.ages[bisect_left(AGE_BOUNDS, age_seconds)] += 1
            counts.age_seconds += age_seconds
        return seconds

    def retried(self, tag: str, *, postponed: bool) -> None:
        """Count an event that is stored for another run.

        Args:
            tag: Where it stands.
            postponed: Its handler asked for it.
        """
        counts = self._by_tag.get(tag) or self._open(tag)
        if postponed:
            counts.postponed += 1
        else:
            counts.retried += 1

    def dead_lettered(self, tag: str, reason: str) -> None:
        """Count an event that is set aside."""
        (self._by_tag.get(tag) or self._open(tag)).dead[reason] += 1

    def tally(self, group: str) -> Tally:
        """Give all that was counted until now, partitions taken together."""
        return total(
            (
                _tally(counts, (group, self._handler, endpoint_of(tag)))
                for tag, counts in self._by_tag.items()
            ),
            families.WORKER,
        )

    def _open(self, tag: str) -> _Counts:
        counts = self._by_tag[tag] = _Counts()
        return counts


class ProcessRecord:
    """Counts what befalls events in one process, whichever handler they are for."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Family, str]] = Counter()

    def late(self, tag: str) -> None:
        """Count an outcome that came when the event was in other hands."""
        self._counts[families.LATE, tag] += 1

    def taken_over(self, tag: str, events: int) -> None:
        """Count events of a dead worker."""
        self._counts[families.TAKEN_OVER, tag] += events

    def given_again(self, tag: str, events: int) -> None:
        """Count events whose long wait is over."""
        self._counts[families.GIVEN_AGAIN, tag] += events

    def trimmed(self, tag: str, events: int) -> None:
        """Count settled events that were removed."""
        self._counts[families.TRIMMED, tag] += events

    def tally(self, group: str) -> Tally:
        """Give all that was counted until now, partitions taken together."""
        rows = [
            (family.name, (group, endpoint_of(tag)), float(count))
            for (family, tag), count in self._counts.items()
        ]
        return total((Tally(counters=[row]) for row in rows), families.WORKER)


def _tally(counts: _Counts, labels: Labels) -> Tally:
    plain = [(family.name, labels, float(getattr(counts, name))) for family, name in _PLAIN]
    dead = [
        (families.DEAD_LETTERED.name, (*labels, reason), float(count))
        for reason, count in counts.dead.items()
    ]
    return Tally(
        counters=[*plain, *dead],
        histograms=[
            (families.RUN_SECONDS.name, labels, Spread(list(counts.runs), counts.run_seconds)),
            (families.AGE_SECONDS.name, labels, Spread(list(counts.ages), counts.age_seconds)),
        ],
    )
