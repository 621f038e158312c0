"""Figures in, their middle, their spread and their percentiles out; never a mean."""

import math
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


def percentile(values: Sequence[float], per_cent: float) -> float:
    """Give the smallest value that at least this part of the values does not exceed.

    Args:
        values: In any order; at least one.
        per_cent: 0 to 100; 99 for p99.
    """
    rank = math.ceil(len(values) * per_cent / 100)
    return sorted(values)[max(rank, 1) - 1]
