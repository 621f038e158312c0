"""The short form of the fault suite: a few rounds of some scenarios break no promise."""

from pathlib import Path

import pytest

from tests.faults.scenario import Scenario
from tests.faults.shortly import SHORT, play_shortly

pytestmark = pytest.mark.chaos

# Their fault lies behind what was sent, so each round must have such an outcome.
ALWAYS_UNKNOWN = {"reply-lost", "request-lost", "link-silent"}


@pytest.mark.parametrize(("scenario", "server"), SHORT["one store"])
async def test_a_few_rounds_break_no_promise(
    scenario: Scenario, server: str, tmp_path: Path
) -> None:
    """What came of them is printed with its seed."""
    outcome = await play_shortly(scenario, server, tmp_path)

    assert outcome.broken == [], f"seed {outcome.stage.seed}"
    assert len(outcome.stage.unknown) == scenario.short
    if scenario.name in ALWAYS_UNKNOWN:
        assert outcome.rounds_unknown == scenario.short
