"""What the gateway counts.

The rooms call plain methods, which add to plain numbers: a delivery costs a look-up and an
addition. Nothing is made into text before somebody asks. Label sets are bounded by the
configured endpoints and the stable reasons.

Source: docs/reference/metrics.md.
"""

import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from relay.contract.keys import endpoint_of
from relay.contract.tally import Family, Labels, Spread, Tally, text
from relay.metrics import families

__all__ = ["Metrics"]


class _Histogram:
    """Observations of one metric, apart by the value of its one label, if it has one."""

    def __init__(self, family: Family) -> None:
        self._name, self._bounds = family.name, family.bounds
        self._spreads: dict[str, Spread] = {}
        self._is_labelled = bool(family.labels)
        if not self._is_labelled:  # shown from the start, since there is but one
            self._spread("")

    def observe(self, value: float, label: str = "") -> None:
        spread = self._spreads.get(label) or self._spread(label)
        spread.counts[bisect_left(self._bounds, value)] += 1
        spread.total += value

    def observe_all(self, values: Iterable[float], label: str = "") -> None:
        """Observe many at once, with as many look-ups as there are bounds."""
        spread = self._spreads.get(label) or self._spread(label)
        ascending = sorted(values)
        below = 0
        for place, bound in enumerate(self._bounds):
            up_to = bisect_right(ascending, bound, below)
            spread.counts[place] += up_to - below
            below = up_to
        spread.counts[-1] += len(ascending) - below
        spread.total += sum(ascending)

    def rows(self) -> list[tuple[str, Labels, Spread]]:
        return [
            (self._name, (label,) if self._is_labelled else (), spread)
            for label, spread in self._spreads.items()
        ]

    def _spread(self, label: str) -> Spread:
        spread = self._spreads[label] = Spread([0] * (len(self._bounds) + 1))
        return spread


class Reconciled(Protocol):
    """What a comparison with a sender's own log came to."""

    @property
    def at(self) -> int:
        """When it ended, ms since the epoch."""

    @property
    def lost(self) -> int:
        """How many events are nowhere."""

    @property
    def refused(self) -> int:
        """How many were refused."""


class Metrics:
    """The counters of one gateway process."""

    def __init__(self) -> None:
        self._deliveries: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._others: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._pairs: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._append_seconds = _Histogram(families.APPEND_SECONDS)
        self._flush_events = _Histogram(families.FLUSH_EVENTS)
        self._confirm_seconds = _Histogram(families.CONFIRM_SECONDS)
        self._duplicate_age = _Histogram(families.DUPLICATE_AGE)
        self._gauges: dict[str, Callable[[], float]] = {}
        # Endpoint and secret -> how often it has proved a delivery, and when last, in Unix seconds.
        self._verified: dict[tuple[str, str], list[float]] = {}
        self._reconciled: dict[str, Reconciled] = {}

    def delivery(self, endpoint: str, outcome: str) -> None:
        """Count an answer; ``endpoint`` is empty where none has the name."""
        self._deliveries[endpoint, outcome] += 1

    def verified(self, endpoint: str, secret: str) -> None:
        """Count a delivery that a secret has proved, by the secret's name."""
        row = self._verified.get((endpoint, secret))
        if row is None:
            row = self._verified[endpoint, secret] = [0, 0]
        row[0] += 1
        row[1] = time.time()

    def late(self, endpoint: str) -> None:
        """Count a delivery that only the late tolerance let pass."""
        self._others[families.LATE.name, endpoint] += 1

    def dry_run(self, endpoint: str, reason: str) -> None:
        """Count a delivery that was taken though it would be refused."""
        self._pairs[families.DRY_RUN.name, endpoint, reason] += 1

    def rejection(self, endpoint: str, state: str, rows: int = 1) -> None:
        """Count rows of the refusal log: ``kept``, ``counted`` only, or ``lost``."""
        self._pairs[families.REJECTIONS.name, endpoint, state] += rows

    def filtered(self, endpoint: str, rule: str) -> None:
        """Count an event that its endpoint's configuration drops."""
        self._pairs[families.FILTERED.name, endpoint, rule] += 1

    def diverted(self, endpoint: str, rule: str) -> None:
        """Count an event that a rule gives another type."""
        self._pairs[families.DIVERTED.name, endpoint, rule] += 1

    def flushed(self, events: int, seconds: float) -> None:
        """Count one flush."""
        self._append_seconds.observe(seconds)
        self._flush_events.observe(events)

    def confirmed(self, tag: str, seconds: Iterable[float]) -> None:
        """Count how long each of some events waited for the store's word."""
        self._confirm_seconds.observe_all(seconds, endpoint_of(tag))

    def duplicate(self, tag: str, age_seconds: float) -> None:
        """Count how long ago the first delivery of a duplicate had come."""
        self._duplicate_age.observe(age_seconds, endpoint_of(tag))

    def misplaced(self, tag: str) -> None:
        """Count an event that found no stream of its own."""
        self._others[families.MISPLACED.name, endpoint_of(tag)] += 1

    def changed_body(self, tag: str) -> None:
        """Count a known id with another body."""
        self._others[families.CHANGED_BODIES.name, endpoint_of(tag)] += 1

    def spooled(self, tag: str) -> None:
        """Count an event that went to the spool."""
        self._others[families.SPOOLED.name, endpoint_of(tag)] += 1

    def drained(self, tag: str) -> None:
        """Count an event that went from there into its stream."""
        self._others[families.DRAINED.name, endpoint_of(tag)] += 1

    def spool_failed(self, failure: str) -> None:
        """Count what went wrong with the spool."""
        self._others[families.SPOOL_FAILURES.name, failure] += 1

    def dropped(self, tag: str, entries: int, unsettled: int) -> None:
        """Count entries that a stream at its cap has lost."""
        endpoint = endpoint_of(tag)
        self._others[families.DROPPED.name, endpoint] += entries
        self._others[families.DROPPED_UNSETTLED.name, endpoint] += unsettled

    def connection_closed(self, state: str) -> None:
        """Count a connection that had to make room for a new one."""
        self._others[families.CLOSED_CONNECTIONS.name, state] += 1

    def reconciled(self, endpoint: str, result: Reconciled | None) -> None:
        """Note what the last comparison with an endpoint's sender came to, if there is one."""
        if result is None:
            self._reconciled.pop(endpoint, None)
        else:
            self._reconciled[endpoint] = result

    def store_memory(self, ratio: float) -> None:
        """Note how full the store is."""
        self.watch(families.STORE_MEMORY, lambda: ratio)

    def confirming_replicas(self, replicas: int) -> None:
        """Note how many replicas had what a flush stored."""
        self.watch(families.CONFIRMING_REPLICAS, lambda: replicas)

    def watch(self, family: Family, value: Callable[[], float]) -> None:
        """Ask for a gauge's value whenever the gauges are read."""
        self._gauges[family.name] = value

    def tally(self) -> Tally:
        """Give all that was counted until now."""
        deliveries: list[tuple[str, Labels, float]] = [
            (families.DELIVERIES.name, labels, count) for labels, count in self._deliveries.items()
        ]
        others: list[tuple[str, Labels, float]] = [
            (name, (label,), count) for (name, label), count in self._others.items()
        ]
        others += [(name, (one, two), count) for (name, one, two), count in self._pairs.items()]
        others += [
            (families.VERIFIED.name, labels, count) for labels, (count, _) in self._verified.items()
        ]
        last: list[tuple[str, Labels, float]] = [
            (families.LAST_VERIFIED.name, labels, at) for labels, (_, at) in self._verified.items()
        ]
        histograms = (
            self._append_seconds,
            self._flush_events,
            self._confirm_seconds,
            self._duplicate_age,
        )
        return Tally(
            counters=[*deliveries, *others],
            histograms=[row for histogram in histograms for row in histogram.rows()],
            gauges=[
                *((name, (), value()) for name, value in self._gauges.items()),
                *last,
                *self._comparisons(),
            ],
        )

    def _comparisons(self) -> Iterator[tuple[str, Labels, float]]:
        for endpoint, result in self._reconciled.items():
            yield families.RECONCILED_LOST.name, (endpoint,), result.lost
            yield families.RECONCILED_REFUSED.name, (endpoint,), result.refused
            yield families.RECONCILED_AT.name, (endpoint,), result.at / 1000

    def text(self) -> bytes:
        """Give all of it in the Prometheus text form."""
        return text(self.tally(), families.GATEWAY)
