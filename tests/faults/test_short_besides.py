"""The short form's second half, beside the first: spools and replicas."""

from pathlib import Path

import pytest

from tests.faults.scenario import Scenario
from tests.faults.shortly import SHORT, assert_kept

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize(("scenario", "server"), SHORT["besides"])
async def test_a_few_rounds_break_no_promise(
    scenario: Scenario, server: str, tmp_path: Path
) -> None:
    """What came of them is printed with its seed."""
    await assert_kept(scenario, server, tmp_path)
