"""Where log lines go, and what happens when they cannot."""

import io
import sys
from typing import Any

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


class Unbuffered(io.BytesIO):
    """Takes note of each piece that is written, as the system is given it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, piece: Any) -> int:
        """Take all of it."""
        self.pieces.append(bytes(piece))
        return len(piece)


def test_a_line_is_written_as_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes write to one file: what is in two pieces, another's line comes between."""
    unbuffered = Unbuffered()
    # As standard error is where PYTHONUNBUFFERED is set; the image does so.
    stderr = io.TextIOWrapper(unbuffered, write_through=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    configure_logs("json")

    structlog.get_logger("test").warning("something", key="x" * 20_000)

    (line,) = unbuffered.pieces
    assert line.endswith(b"}\n")


def test_lines_are_json_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One object per line, with its level and time."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs("json")
    structlog.get_logger("test").warning("something", key="value")

    assert '"event": "something"' in written.getvalue()
    assert '"level": "warning"' in written.getvalue()
