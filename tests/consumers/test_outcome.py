"""What a handler can ask for by raising."""

import math
import pickle
from datetime import timedelta
from typing import Any

import pytest

from consumers import RetryLater


@pytest.mark.parametrize(
    ("after", "seconds"),
    [(0, 0.0), (1.5, 1.5), (timedelta(days=3), 259_200.0), (timedelta(days=30), 2_592_000.0)],
)
def test_a_time_to_wait_is_seconds_or_a_timedelta(after: float | timedelta, seconds: float) -> None:
    """Both mean the same."""
    assert RetryLater(after=after).after_seconds == seconds


@pytest.mark.parametrize("after", [-1, -0.001, math.nan, math.inf, timedelta(days=30, seconds=1)])
def test_a_time_that_cannot_be_waited_for_is_refused(after: float | timedelta) -> None:
    """Where it is written, and with the bounds."""
    with pytest.raises(ValueError, match="between 0 seconds and 30 days"):
        RetryLater(after=after)


@pytest.mark.parametrize("after", [None, "3 days", True, []])
def test_what_is_no_time_is_refused(after: Any) -> None:
    """Also where Python takes it for a number."""
    with pytest.raises(TypeError, match="seconds or a timedelta"):
        RetryLater(after=after)


@pytest.mark.parametrize(
    ("error", "text"),
    [(RetryLater(60), "after 60 s"), (RetryLater(60, "the bank sleeps"), "the bank sleeps")],
)
def test_its_text_is_the_message_or_the_time(error: RetryLater, text: str) -> None:
    """It is what the dead letter says, if the event gets too old."""
    assert str(error) == text


def test_it_can_be_handed_to_another_process() -> None:
    """Handlers may run in one."""
    error = pickle.loads(pickle.dumps(RetryLater(timedelta(hours=1), "soon")))

    assert (error.after_seconds, str(error)) == (3600.0, "soon")
