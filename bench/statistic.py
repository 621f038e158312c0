"""Figures of several rounds in, their middle and their spread out; never a mean."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds gave.

    Args:
        low: The smallest.
        first_quartile: A quarter of the rounds are at or below it.
        median: Half of them are.
        third_quartile: Three quarters are.
        high: The largest.
    """

    low: float
    first_quartile: float
    median: float
    third_quartile: float
    high: float


def spread(figures: Sequence[float]) -> Spread:
    """Give median, quartiles and range of one or more figures.

    Quartiles lie between figures by linear interpolation, ends included.

    Raises:
        ValueError: There are none.
    """
    if not figures:
        raise ValueError("no figures: the run has no round of this contender")
    if len(figures) == 1:
        return Spread(*([float(figures[0])] * 5))
    first, middle, third = statistics.quantiles(figures, n=4, method="inclusive")
    return Spread(min(figures), first, middle, third, max(figures))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Give the smallest figure that at least this share of them does not exceed.

    Args:
        ordered: One or more figures, ascending.
        share: 0 to 1; 0.99 for p99.
    """
    rank = -int(-share * len(ordered) // 1)
    return ordered[min(len(ordered), max(1, rank)) - 1]
