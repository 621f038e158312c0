"""What one process has counted, in a form that can be sent, added up and shown.

Counts come in from `relay.metrics.Metrics`; sums and the Prometheus text go out. Names, labels
and bounds are declared here once, so that every process means the same.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/; docs/reference/metrics.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

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
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Args:
        name: Without ``_total``.
        help: What it says.
        labels: Names of its labels.
        bounds: Upper bounds of a histogram's buckets, ascending; none for other kinds.
        is_ratio: A gauge of which several processes see the same; the greatest counts.
    """

    name: str
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()
    is_ratio: bool = False


_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

DELIVERIES = Family(
    "relay_deliveries",
    "Deliveries answered, by outcome: stored, duplicate, filtered, or a reason",
    ("endpoint", "outcome"),
)
MISPLACED = Family(
    "relay_misplaced_events",
    "Events stored as unidentified because their endpoint has too many types",
    ("endpoint",),
)
CHANGED_BODIES = Family(
    "relay_changed_bodies",
    "Known event ids that came with another body, which was dropped",
    ("endpoint",),
)
CLOSED_CONNECTIONS = Family(
    "relay_closed_connections", "Connections closed to make room for new ones", ("state",)
)
RESTARTS = Family("relay_process_restarts", "Gateway processes that ended and were started again")
COUNTERS = (DELIVERIES, MISPLACED, CHANGED_BODIES, CLOSED_CONNECTIONS, RESTARTS)

APPEND_SECONDS = Family(
    "relay_append_seconds", "How long the store took for one flush", (), _SECONDS
)
FLUSH_EVENTS = Family(
    "relay_flush_events", "How many events one flush carried", (), (1, 2, 4, 8, 16, 32, 64, 128)
)
CONFIRM_SECONDS = Family(
    "relay_confirm_seconds",
    "How long an event waited until the store had confirmed it",
    ("endpoint",),
    _SECONDS,
)
DUPLICATE_AGE = Family(
    "relay_duplicate_age_seconds",
    "How long before a duplicate its first delivery had come",
    ("endpoint",),
    (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 3 * 86_400),
)
HISTOGRAMS = (APPEND_SECONDS, FLUSH_EVENTS, CONFIRM_SECONDS, DUPLICATE_AGE)

STORE_MEMORY = Family(
    "relay_store_memory_ratio",
    "Memory the store uses, as a part of what it may use",
    is_ratio=True,
)
WAITING_EVENTS = Family("relay_waiting_events", "Events that wait for a flush")
WAITING_BYTES = Family("relay_waiting_bytes", "Bytes of the events that wait for a flush")
BODY_BYTES = Family("relay_body_bytes_in_hand", "Body bytes received and not yet stored")
CONNECTIONS = Family("relay_connections", "Open connections of senders")
PROCESSES = Family("relay_processes", "Gateway processes that take deliveries")
GAUGES = (STORE_MEMORY, WAITING_EVENTS, WAITING_BYTES, BODY_BYTES, CONNECTIONS, PROCESSES)


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


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up what several processes counted; of a ratio the greatest is taken."""
    counters: dict[tuple[str, Labels], float] = {}
    spreads: dict[tuple[str, Labels], Spread] = {}
    gauges: dict[tuple[str, Labels], float] = {}
    ratios = {family.name for family in GAUGES if family.is_ratio}
    for tally in tallies:
        for name, labels, value in tally.counters:
            counters[name, labels] = counters.get((name, labels), 0) + value
        for name, labels, spread in tally.histograms:
            spreads[name, labels] = _together(spreads.get((name, labels)), spread)
        for name, labels, value in tally.gauges:
            before = gauges.get((name, labels), 0.0)
            gauges[name, labels] = max(before, value) if name in ratios else before + value
    return Tally(
        counters=[(*key, value) for key, value in counters.items()],
        histograms=[(*key, spread) for key, spread in spreads.items()],
        gauges=[(*key, value) for key, value in gauges.items()],
    )


def lasting(tally: Tally) -> Tally:
    """Give what stays counted after its process has ended: everything but the gauges."""
    return Tally(counters=tally.counters, histograms=tally.histograms)


def text(tally: Tally) -> bytes:
    """Write a tally in the Prometheus text form."""
    registry = CollectorRegistry()
    registry.register(_Shown(tally))
    return generate_latest(registry)


def families(tally: Tally) -> Iterator[Metric]:
    """Give every declared metric with its rows of the tally."""
    for family in COUNTERS:
        counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
        for _, labels, value in _rows(tally.counters, family):
            counter.add_metric(labels, value)
        yield counter
    for family in HISTOGRAMS:
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for _, labels, spread in _rows(tally.histograms, family):
            histogram.add_metric(labels, _cumulative(family, spread), spread.total)
        yield histogram
    for family in GAUGES:
        gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
        for _, labels, value in _rows(tally.gauges, family):
            gauge.add_metric(labels, value)
        yield gauge


class _Shown(Collector):
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        return families(self._tally)


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
