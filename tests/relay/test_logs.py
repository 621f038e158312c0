"""Where log lines go, and what happens when they cannot."""

import io
import sys

import pytest
import structlog

from relay.contract.logs import configure_logs


class Closed(io.StringIO):
    """A pipe that nobody reads."""

    def write(self, text: str) -> int:
        """Fail as a closed pipe does."""
        raise BrokenPipeError


def test_a_line_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log collector that died must not decide what becomes of an event."""
    monkeypatch.setattr(sys, "stderr", Closed())
    configure_logs("json")

    structlog.get_logger("test").error("something", key="value")


def test_lines_are_json_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One object per line, with its level and time."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs("json")
    structlog.get_logger("test").warning("something", key="value")

    assert '"event": "something"' in written.getvalue()
    assert '"level": "warning"' in written.getvalue()
