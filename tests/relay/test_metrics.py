"""What the gateway counts, and how several processes' counts become one text."""

import msgspec

from relay.contract.tally import Tally, lasting, text, total
from relay.metrics import Metrics
from relay.metrics.families import CONNECTIONS, GATEWAY, STORE_MEMORY, WAITING_EVENTS


def lines(tally: Tally) -> set[str]:
    """Give the lines that Prometheus reads, without comments."""
    return {line for line in text(tally, GATEWAY).decode().splitlines() if not line.startswith("#")}


def counted() -> Metrics:
    """Count one of everything."""
    metrics = Metrics()
    metrics.delivery("unipile", "stored")
    metrics.flushed(3, 0.002)
    metrics.confirmed("unipile#1", [0.003])
    metrics.duplicate("unipile", 90_000.0)
    metrics.misplaced("unipile#3")
    metrics.changed_body("unipile#4")
    metrics.connection_closed("idle")
    metrics.store_memory(0.5)
    metrics.watch(CONNECTIONS, lambda: 7)
    return metrics


def test_what_happened_is_counted_by_endpoint_and_outcome() -> None:
    """Every call moves its own counter, partitions taken together."""
    metrics = counted()
    metrics.delivery("unipile", "stored")
    metrics.delivery("", "unknown_endpoint")

    assert lines(metrics.tally()) >= {
        'relay_deliveries_total{endpoint="unipile",outcome="stored"} 2.0',
        'relay_deliveries_total{endpoint="",outcome="unknown_endpoint"} 1.0',
        'relay_misplaced_events_total{endpoint="unipile"} 1.0',
        'relay_changed_bodies_total{endpoint="unipile"} 1.0',
        'relay_closed_connections_total{state="idle"} 1.0',
        "relay_store_memory_ratio 0.5",
        "relay_connections 7.0",
        "relay_flush_events_sum 3.0",
        "relay_append_seconds_sum 0.002",
    }


def test_a_histogram_counts_up_to_each_bound() -> None:
    """A value on a bound belongs to it, and what is over all of them to the last."""
    metrics = Metrics()

    for seconds in (1.0, 2.0, 10.0, 1e9):
        metrics.duplicate("unipile", seconds)

    assert lines(metrics.tally()) >= {
        'relay_duplicate_age_seconds_bucket{endpoint="unipile",le="1.0"} 1.0',
        'relay_duplicate_age_seconds_bucket{endpoint="unipile",le="10.0"} 3.0',
        'relay_duplicate_age_seconds_bucket{endpoint="unipile",le="259200.0"} 3.0',
        'relay_duplicate_age_seconds_bucket{endpoint="unipile",le="+Inf"} 4.0',
        'relay_duplicate_age_seconds_count{endpoint="unipile"} 4.0',
    }


def test_a_gauge_is_asked_when_it_is_read() -> None:
    """What waits now is shown, not what waited when the gauge was made."""
    metrics, waiting = Metrics(), [1]
    metrics.watch(WAITING_EVENTS, lambda: waiting[0])

    waiting[0] = 2

    assert "relay_waiting_events 2.0" in lines(metrics.tally())


def test_tallies_of_several_processes_add_up() -> None:
    """Counts and spreads are summed, gauges too, but of a ratio the greatest is taken."""
    other = counted()
    other.store_memory(0.25)
    other.flushed(100, 0.002)

    both = total([counted().tally(), other.tally()], GATEWAY)

    assert lines(both) >= {
        'relay_deliveries_total{endpoint="unipile",outcome="stored"} 2.0',
        'relay_flush_events_bucket{le="4.0"} 2.0',
        'relay_flush_events_bucket{le="+Inf"} 3.0',
        "relay_flush_events_sum 106.0",
        "relay_connections 14.0",
        f"{STORE_MEMORY.name} 0.5",
    }


def test_a_tally_can_be_sent() -> None:
    """What is written for another process is read as the same."""
    tally = counted().tally()

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(tally), type=Tally) == tally


def test_what_lasts_of_an_ended_process_are_its_counts() -> None:
    """Its connections are gone, its deliveries stay counted, and nothing is counted twice."""
    tally = counted().tally()

    kept = lines(total([lasting(tally), lasting(Metrics().tally())], GATEWAY))

    assert not any(line.startswith("relay_connections") for line in kept)
    assert lines(Tally(counters=tally.counters)) <= kept


def test_two_gateways_in_one_process_count_apart() -> None:
    """Metrics hang on their gateway and not on the module."""
    one, other = Metrics(), Metrics()

    one.delivery("unipile", "stored")

    assert not any("relay_deliveries_total" in line for line in lines(other.tally()))
