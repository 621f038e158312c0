"""What is counted while events are handled."""

import pytest

from consumers.metrics.record import Ending, HandlerRecord, ProcessRecord
from tests.consumers.making import GROUP
from tests.consumers.metrics.counting import samples

OF_HANDLER = '{endpoint="unipile",handler="store"}'


def record_at(*seconds: float) -> HandlerRecord:
    """Make a record whose clock gives these times, one after the other."""
    times = iter(seconds)
    return HandlerRecord("store", lambda: next(times))


@pytest.mark.parametrize(
    ("ending", "counted"),
    [("handled", {"handled_total"}), ("failed", {"failed_attempts_total"}), ("postponed", set())],
)
def test_a_run_is_counted_by_its_ending_and_timed(ending: Ending, counted: set[str]) -> None:
    """However it ended, it took its time; its event's age is that at its beginning."""
    record = record_at(1000.2)
    seconds = record.ran("unipile", 1000.0, 999.0, ending)
    found = samples(record.tally(GROUP))

    assert round(seconds, 6) == 0.2
    assert {name for name in counted if found[name + OF_HANDLER] == 1.0} == counted
    assert {name for name in found if "total" in name} == {n + OF_HANDLER for n in counted}
    assert round(found[f"run_seconds_sum{OF_HANDLER}"], 6) == 0.2
    assert found['run_seconds_bucket{endpoint="unipile",handler="store",le="0.25"}'] == 1.0
    assert 'run_seconds_bucket{endpoint="unipile",handler="store",le="0.1"}' not in found
    assert found[f"age_seconds_sum{OF_HANDLER}"] == 1.0


def test_what_is_skipped_was_not_run() -> None:
    """It takes no time, and says nothing of how long events wait."""
    record = record_at()
    record.ran("unipile", 1000.0, 999.0, "skipped")

    assert samples(record.tally(GROUP)) == {f"skipped_total{OF_HANDLER}": 1.0}


def test_an_events_age_is_counted_once() -> None:
    """A retry is late by its nature, and would hide how long events wait."""
    record = record_at(1000.2, 1060.2)
    record.ran("unipile", 1000.0, 999.0, "failed")
    record.ran("unipile", 1060.0, None, "handled")
    found = samples(record.tally(GROUP))

    assert found[f"run_seconds_count{OF_HANDLER}"] == 2.0
    assert found[f"age_seconds_count{OF_HANDLER}"] == 1.0


def test_a_clock_that_is_set_back_lowers_no_sum() -> None:
    """Prometheus would take it for a restart."""
    record = record_at(900.0)
    record.ran("unipile", 1000.0, 2000.0, "handled")
    found = samples(record.tally(GROUP))

    assert found[f"run_seconds_count{OF_HANDLER}"] == 1.0
    assert f"run_seconds_sum{OF_HANDLER}" not in found
    assert f"age_seconds_sum{OF_HANDLER}" not in found


def test_partitions_of_an_endpoint_are_counted_together() -> None:
    """There may be many, and they are no matter of whoever reads the numbers."""
    record, own = HandlerRecord("store"), ProcessRecord()
    for tag in ("unipile#0", "unipile#1"):
        record.retried(tag, postponed=False)
        record.retried(tag, postponed=True)
        record.dead_lettered(tag, "poison")
        own.late(tag)
        own.taken_over(tag, 3)
        own.given_again(tag, 2)

    assert samples(record.tally(GROUP)) == {
        f"retried_total{OF_HANDLER}": 2.0,
        f"postponed_total{OF_HANDLER}": 2.0,
        'dead_lettered_total{endpoint="unipile",handler="store",reason="poison"}': 2.0,
    }
    assert samples(own.tally(GROUP)) == {
        'late_outcomes_total{endpoint="unipile"}': 2.0,
        'taken_over_total{endpoint="unipile"}': 6.0,
        'given_again_total{endpoint="unipile"}': 4.0,
    }
