"""The page says what is checked."""

from pathlib import Path

from relay.conformance import CHECKS
from relay.conformance.probe import MOST_DELIVERIES

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-a-receiver.md"


def test_every_check_stands_on_the_page() -> None:
    """With what must hold, and why."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]

    assert [row for row in rows if not row.startswith("| `--")] == [
        f"| `{check.name}` | {check.holds} | {check.why} |" for check in CHECKS
    ]


def test_the_bound_on_the_page_is_the_real_one() -> None:
    """It is what makes a run safe to begin."""
    assert f"at most {MOST_DELIVERIES:,} deliveries" in PAGE.read_text("utf-8")
