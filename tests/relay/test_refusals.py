"""One log line per refusal, but not one per request of a flood."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.contract.errors import SignatureRefused, UnknownEndpoint
from relay.receive.refusals import LINES_PER_SECOND, RefusalLog

WRONG = SignatureRefused("signature_mismatch")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


def lines(captured: list[Any], event: str) -> list[dict[str, Any]]:
    """Give the lines of one kind, without what structlog adds."""
    return [
        {key: value for key, value in line.items() if key not in {"event", "log_level"}}
        for line in captured
        if line["event"] == event
    ]


def test_a_refusal_is_one_line(clock: Clock) -> None:
    """Endpoint, reason and status are logged, and nothing that was sent."""
    with capture_logs() as captured:
        RefusalLog(clock).note("unipile", WRONG)

    assert lines(captured, "delivery_refused") == [
        {"endpoint": "unipile", "reason": "signature_mismatch", "status": 401}
    ]


def test_a_flood_is_counted(clock: Clock) -> None:
    """Of a thousand refusals in a second a few are told; the next second says how many more."""
    log = RefusalLog(clock)
    with capture_logs() as captured:
        for _ in range(1000):
            log.note("unipile", WRONG)
        clock.now += 1
        log.note("unipile", WRONG)

    assert len(lines(captured, "delivery_refused")) == LINES_PER_SECOND + 1
    assert lines(captured, "deliveries_refused") == [
        {"endpoint": "unipile", "reason": "signature_mismatch", "more": 1000 - LINES_PER_SECOND}
    ]


def test_a_flood_does_not_hide_other_refusals(clock: Clock) -> None:
    """Each endpoint and reason has its own count."""
    log = RefusalLog(clock)
    with capture_logs() as captured:
        for _ in range(100):
            log.note("unipile", WRONG)
        log.note("other", WRONG)
        log.note("", UnknownEndpoint())

    found = lines(captured, "delivery_refused")
    assert found[LINES_PER_SECOND:] == [
        {"endpoint": "other", "reason": "signature_mismatch", "status": 401},
        {"endpoint": None, "reason": "unknown_endpoint", "status": 404},
    ]


def test_a_quiet_second_says_nothing_more(clock: Clock) -> None:
    """Where nothing was held back there is no second line."""
    log = RefusalLog(clock)
    with capture_logs() as captured:
        log.note("unipile", WRONG)
        clock.now += 1
        log.note("unipile", WRONG)

    assert lines(captured, "deliveries_refused") == []
