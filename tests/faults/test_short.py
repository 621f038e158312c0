"""The short form of the fault suite: a few rounds of some scenarios break no promise."""

import random
from pathlib import Path

import pytest

from tests.faults.__main__ import say
from tests.faults.scenario import Scenario
from tests.faults.scenarios import ALL
from tests.faults.suite import play
from tests.servers import find_binary

pytestmark = pytest.mark.chaos

SHORT = [
    pytest.param(scenario, server, id=f"{scenario.name}-{server}")
    for scenario in ALL
    for server in scenario.servers
    if scenario.short
]
# Their fault lies behind what was sent, so each round must have such an outcome.
ALWAYS_UNKNOWN = {"reply-lost", "request-lost", "link-silent"}


@pytest.mark.parametrize(("scenario", "server"), SHORT)
async def test_a_few_rounds_break_no_promise(
    scenario: Scenario, server: str, tmp_path: Path
) -> None:
    """What came of them is printed with its seed."""
    if why := scenario.needs():
        pytest.skip(why)
    if find_binary(server) is None:
        pytest.skip(f"this machine has no {server} server")
    seed = random.SystemRandom().randrange(1_000_000)
    outcome = await play(scenario, server, seed, rounds=scenario.short, keep=tmp_path)
    say(outcome)

    assert outcome.broken == [], f"seed {seed}"
    assert len(outcome.stage.unknown) == scenario.short
    if scenario.name in ALWAYS_UNKNOWN:
        assert outcome.rounds_unknown == scenario.short
