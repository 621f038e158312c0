"""What the gateway counts."""

from relay.metrics import Metrics


def lines(metrics: Metrics) -> set[str]:
    """Give the lines that Prometheus reads, without comments."""
    return {line for line in metrics.text().decode().splitlines() if not line.startswith("#")}


def test_what_happened_is_counted_by_endpoint_and_outcome() -> None:
    """Every call moves its own counter, partitions taken together."""
    metrics = Metrics()

    metrics.delivery("unipile", "stored")
    metrics.delivery("unipile", "stored")
    metrics.delivery("", "unknown_endpoint")
    metrics.misplaced("unipile#3")
    metrics.changed_body("unipile#4")
    metrics.store_memory(0.5)
    metrics.flushed(3, 0.002)

    assert lines(metrics) >= {
        'relay_deliveries_total{endpoint="unipile",outcome="stored"} 2.0',
        'relay_deliveries_total{endpoint="",outcome="unknown_endpoint"} 1.0',
        'relay_misplaced_events_total{endpoint="unipile"} 1.0',
        'relay_changed_bodies_total{endpoint="unipile"} 1.0',
        "relay_store_memory_ratio 0.5",
        "relay_flush_events_sum 3.0",
        "relay_append_seconds_sum 0.002",
    }


def test_two_gateways_in_one_process_count_apart() -> None:
    """Metrics hang on their gateway and not on the module."""
    one, other = Metrics(), Metrics()

    one.delivery("unipile", "stored")

    assert not any("relay_deliveries_total" in line for line in lines(other))
