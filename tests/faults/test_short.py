"""The short form of the fault suite: a few rounds of some scenarios break no promise."""

from pathlib import Path

import pytest

from tests.faults.scenario import Scenario
from tests.faults.shortly import SHORT, TOWNS, assert_all_kept, assert_kept

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("scenarios", TOWNS.values(), ids=TOWNS.keys())
async def test_a_few_rounds_in_one_town_break_no_promise(
    scenarios: list[Scenario], tmp_path: Path
) -> None:
    """One fault after the other; where one is broken, its seed is said."""
    await assert_all_kept(scenarios, tmp_path)


@pytest.mark.parametrize(("scenario", "server"), SHORT["one store"])
async def test_a_few_rounds_break_no_promise(
    scenario: Scenario, server: str, tmp_path: Path
) -> None:
    """What came of them is printed with its seed."""
    await assert_kept(scenario, server, tmp_path)
