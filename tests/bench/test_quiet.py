"""What was disturbed by others is measured again; what has a fault never is."""

import pytest

from bench.lines import Line
from bench.quiet import undisturbed


def run(lines: list[Line], patience_seconds: float = 1e-9) -> tuple[Line, list[Line]]:
    """Give the line that counts, and those that were put aside."""
    ahead, aside = iter(lines), list[Line]()
    return undisturbed(lambda: next(ahead), aside.append, patience_seconds), aside


def make_line(percent: int, *faults: str) -> Line:
    """Make a line of a measurement."""
    return {"kind": "round", "others_cpu_percent": percent, "faults": list(faults)}


@pytest.mark.parametrize(
    ("percents", "counts", "aside"),
    [
        ([0, 99], 0, []),
        ([20, 99], 20, []),
        ([21, 5], 5, [21]),
        ([50, 60, 3], 3, [50, 60]),
        ([50, 60, 70], 70, [50, 60]),
    ],
)
def test_a_disturbed_measurement_is_taken_again(
    percents: list[int], counts: int, aside: list[int]
) -> None:
    """At most twice; the last counts as it is, and says how disturbed it was."""
    line, kept = run([make_line(percent) for percent in percents])

    assert line == make_line(counts)
    assert kept == [make_line(percent) | {"kind": "disturbed"} for percent in aside]


def test_a_fault_is_never_measured_away() -> None:
    """Whatever others did meanwhile."""
    line, kept = run([make_line(90, "1 events have a second entry"), make_line(0)])

    assert line["faults"] == ["1 events have a second entry"]
    assert kept == []


def test_without_patience_everything_counts() -> None:
    """A quick look waits for nobody."""
    line, kept = run([make_line(90), make_line(0)], patience_seconds=0)

    assert (line, kept) == (make_line(90), [])
