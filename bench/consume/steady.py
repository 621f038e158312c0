"""Looks at the clocks in, the rate and the cost of the steady part out."""

from collections.abc import Sequence
from dataclasses import dataclass

# Start-up, first reads and code that is run for the first time; and the thinning at the end.
_SKIPPED_FIRST, _SKIPPED_LAST = 0.2, 0.05

Mark = Sequence[int]


@dataclass(frozen=True, slots=True)
class Steady:
    """What a worker did in the middle of its run.

    Args:
        events: How many it handled there.
        seconds: In what time.
        per_second: How many in a second.
        cpu_us: CPU time of its process for each, in µs.
    """

    events: int
    seconds: float
    per_second: float
    cpu_us: float


def steady(marks: Sequence[Mark]) -> Steady:
    """Leave out the first fifth and the last twentieth, and count what is between.

    Args:
        marks: Events so far, ns of time, ns of CPU; in order, at least two.

    Raises:
        ValueError: There are too few.
    """
    if len(marks) < 2:
        raise ValueError("a rate lies between two looks at the clock, and there are fewer")
    first = int(len(marks) * _SKIPPED_FIRST)
    last = max(first + 1, len(marks) - 1 - int(len(marks) * _SKIPPED_LAST))
    first = min(first, last - 1)
    events, time_ns, cpu_ns = (b - a for a, b in zip(marks[first], marks[last], strict=True))
    seconds = time_ns / 1e9
    return Steady(events, round(seconds, 3), round(events / seconds, 1), cpu_ns / 1000 / events)
