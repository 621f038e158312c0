"""What the gateway counts, and the text that Prometheus reads.

The rooms call plain methods; label sets are bounded by the configured endpoints and the stable
reasons. Source: docs/reference/metrics.md.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from relay.contract.keys import endpoint_of


class Metrics:
    """The counters of one gateway process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._deliveries = Counter(
            "relay_deliveries",
            "Deliveries answered, by outcome: stored, duplicate, filtered, or a reason",
            ["endpoint", "outcome"],
            registry=self.registry,
        )
        self._append_seconds = Histogram(
            "relay_append_seconds",
            "How long the store took for one flush",
            registry=self.registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
        )
        self._flush_events = Histogram(
            "relay_flush_events",
            "How many events one flush carried",
            registry=self.registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
        )
        self._misplaced = Counter(
            "relay_misplaced_events",
            "Events stored as unidentified because their endpoint has too many types",
            ["endpoint"],
            registry=self.registry,
        )
        self._changed_bodies = Counter(
            "relay_changed_bodies",
            "Known event ids that came with another body, which was dropped",
            ["endpoint"],
            registry=self.registry,
        )
        self._store_memory = Gauge(
            "relay_store_memory_ratio",
            "Memory the store uses, as a part of what it may use",
            registry=self.registry,
        )
        self.waiting = Gauge(
            "relay_waiting_events", "Events that wait for a flush", registry=self.registry
        )
        self.bytes_in_hand = Gauge(
            "relay_body_bytes_in_hand",
            "Body bytes received and not yet stored",
            registry=self.registry,
        )

    def delivery(self, endpoint: str, outcome: str) -> None:
        """Count an answer; ``endpoint`` is empty where none has the name."""
        self._deliveries.labels(endpoint, outcome).inc()

    def flushed(self, events: int, seconds: float) -> None:
        """Count one flush."""
        self._append_seconds.observe(seconds)
        self._flush_events.observe(events)

    def misplaced(self, tag: str) -> None:
        """Count an event that found no stream of its own."""
        self._misplaced.labels(endpoint_of(tag)).inc()

    def changed_body(self, tag: str) -> None:
        """Count a known id with another body."""
        self._changed_bodies.labels(endpoint_of(tag)).inc()

    def store_memory(self, ratio: float) -> None:
        """Note how full the store is."""
        self._store_memory.set(ratio)

    def text(self) -> bytes:
        """Give all of it in the Prometheus text form."""
        return generate_latest(self.registry)
