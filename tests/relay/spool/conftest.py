"""What the tests of a spool have in common."""

import pytest

from relay.spool import breaker, held_up


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(held_up, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(held_up, "LAST_PAUSE_SECONDS", 0.02)
