"""How progress is shown."""

import pytest

from consumers.commands.progress import shown
from consumers.operations.progress import Progress


def test_progress_is_shown_once_a_second_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, so that it never mixes with the result."""
    times = iter([0.0, 0.5, 1.0, 1.5, 2.5])
    report = shown("redriven", as_json=False, clock=lambda: next(times))
    for done in range(4):
        report(Progress(seen=10, done=done, left=1, total=7))
    output = capsys.readouterr()

    assert output.out == ""
    assert output.err.splitlines() == [
        "1 of 7 redriven, 1 left as they are; 10 looked at",
        "3 of 7 redriven, 1 left as they are; 10 looked at",
    ]


def test_no_progress_is_shown_beside_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads both streams together gets one document."""
    shown("redriven", as_json=True, clock=iter([0.0, 9.0]).__next__)(Progress())

    assert capsys.readouterr() == ("", "")
