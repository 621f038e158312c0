"""What one process has counted, in a form that can be sent, added up and shown.

Rows come in from whoever counts; sums and the Prometheus text go out. What the rows mean is
declared once by each program, so that all its processes mean the same.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/; docs/reference/metrics.md.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

Labels = tuple[str, ...]
Together = Literal["sum", "greatest", "least"]
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Args:
        name: Without ``_total``.
        help: What it says.
        labels: Names of its labels.
        bounds: Upper bounds of a histogram's buckets, ascending; none for other kinds.
        together: What the values of several processes make together, of a gauge: their sum, or,
            where all see the same thing, the greatest or the least.
    """

    name: str
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()
    together: Together = "sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """All metrics of one program, in the order in which they are shown."""

    counters: tuple[Family, ...]
    histograms: tuple[Family, ...]
    gauges: tuple[Family, ...]


_WAYS: dict[Together, Callable[[float, float], float]] = {
    "sum": operator.add,
    "greatest": max,
    "least": min,
}


class Spread(msgspec.Struct):
    """A histogram's content.

    Args:
        counts: Of each bucket alone, one more than it has bounds: the last is for the rest.
        total: Sum of all that was observed.
    """

    counts: list[int]
    total: float = 0.0


class Tally(msgspec.Struct):
    """All that was counted, as rows of name, values of the labels, and what was counted."""

    counters: list[tuple[str, Labels, float]] = msgspec.field(default_factory=list)
    histograms: list[tuple[str, Labels, Spread]] = msgspec.field(default_factory=list)
    gauges: list[tuple[str, Labels, float]] = msgspec.field(default_factory=list)


def total(tallies: Iterable[Tally], families: Families) -> Tally:
    """Put together what several processes counted, or several parts of one."""
    counters: dict[tuple[str, Labels], float] = {}
    spreads: dict[tuple[str, Labels], Spread] = {}
    gauges: dict[tuple[str, Labels], float] = {}
    ways = {family.name: _WAYS[family.together] for family in families.gauges}
    for tally in tallies:
        for name, labels, value in tally.counters:
            counters[name, labels] = counters.get((name, labels), 0) + value
        for name, labels, spread in tally.histograms:
            spreads[name, labels] = _together(spreads.get((name, labels)), spread)
        for name, labels, value in tally.gauges:
            before = gauges.get((name, labels))
            gauges[name, labels] = value if before is None else ways[name](before, value)
    return Tally(
        counters=[(*key, value) for key, value in counters.items()],
        histograms=[(*key, spread) for key, spread in spreads.items()],
        gauges=[(*key, value) for key, value in gauges.items()],
    )


def lasting(tally: Tally) -> Tally:
    """Give what stays counted after its process has ended: everything but the gauges."""
    return Tally(counters=tally.counters, histograms=tally.histograms)


def text(tally: Tally, families: Families) -> bytes:
    """Write a tally in the Prometheus text form."""
    registry = CollectorRegistry()
    registry.register(_Shown(tally, families))
    return generate_latest(registry)


def metrics_of(tally: Tally, families: Families) -> Iterator[Metric]:
    """Give every declared metric with its rows of the tally."""
    for family in families.counters:
        counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
        for _, labels, value in _rows(tally.counters, family):
            counter.add_metric(labels, value)
        yield counter
    for family in families.histograms:
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for _, labels, spread in _rows(tally.histograms, family):
            histogram.add_metric(labels, _cumulative(family, spread), spread.total)
        yield histogram
    for family in families.gauges:
        gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
        for _, labels, value in _rows(tally.gauges, family):
            gauge.add_metric(labels, value)
        yield gauge


class _Shown(Collector):
    def __init__(self, tally: Tally, families: Families) -> None:
        self._tally = tally
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return metrics_of(self._tally, self._families)


def _rows(
    rows: Sequence[tuple[str, Labels, ValueT]], family: Family
) -> Iterator[tuple[str, Labels, ValueT]]:
    return (row for row in rows if row[0] == family.name)


def _cumulative(family: Family, spread: Spread) -> list[tuple[str, float]]:
    below, buckets = 0, []
    bounds = [*(f"{float(bound)}" for bound in family.bounds), "+Inf"]
    for bound, count in zip(bounds, spread.counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    return buckets


def _together(one: Spread | None, other: Spread) -> Spread:
    if one is None:
        return Spread(list(other.counts), other.total)
    counts = [a + b for a, b in zip(one.counts, other.counts, strict=True)]
    return Spread(counts, one.total + other.total)
