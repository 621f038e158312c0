"""Arithmetic of the verdicts: samples in, marks and shares out. It never rounds a verdict."""

from collections.abc import Mapping, Sequence

from bench.statistic import percentile

MIB = 1024 * 1024


def marks(values: Sequence[float]) -> dict[str, float]:
    """Give median, 99th percentile and the highest, rounded to microseconds of a ms."""
    if not values:
        return {}
    found = {"p50": 50.0, "p99": 99.0, "max": 100.0}
    return {name: round(percentile(values, mark), 3) for name, mark in found.items()}


def growth(first: Mapping[int, int], later: Mapping[int, int]) -> float:
    """Say how many times as much memory there is as at first.

    Args:
        first: Process -> bytes at first.
        later: The same later; a process that is new counts in the sum only.

    Returns:
        The highest of the ratios of the sums and of each process, so that one that does not grow
        cannot hide one that does.
    """
    each = [later[pid] / first[pid] for pid in first if pid in later]
    return max(sum(later.values()) / sum(first.values()), *each)


def mib(size_bytes: float) -> float:
    """Give bytes as MiB, one digit after the point."""
    return round(size_bytes / MIB, 1)


def told(counts: Mapping[str, float]) -> str:
    """Write counts or marks for people: ``200: 1,000, 503: 20``."""
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"
