"""What of the suite is played with every run of the tests, in two halves that run side by side."""

import random
from pathlib import Path

import pytest

from tests.faults.__main__ import say
from tests.faults.scenario import Scenario
from tests.faults.scenarios import ALL, replica, spool
from tests.faults.suite import play
from tests.servers import find_binary

# What rests on how the store keeps and copies is played on every kind; the rest on one.
_ON_EVERY = {"store-killed", "replica-cut-off-replicated"}
_BESIDES = (*replica.SCENARIOS, *spool.SCENARIOS)
# Their fault lies behind what was sent, so each round must have such an outcome.
_ALWAYS_UNKNOWN = {"reply-lost", "request-lost", "link-silent"}


def _short(*, besides: bool) -> list[object]:
    return [
        pytest.param(scenario, server, id=f"{scenario.name}-{server}")
        for scenario in ALL
        if scenario.short and (scenario in _BESIDES) is besides
        for server in scenario.servers[: None if scenario.name in _ON_EVERY else 1]
    ]


SHORT = {"one store": _short(besides=False), "besides": _short(besides=True)}


async def assert_kept(scenario: Scenario, server: str, directory: Path) -> None:
    """Play the few rounds of a scenario, or skip the test with the reason why not."""
    if why := scenario.needs():
        pytest.skip(why)
    if find_binary(server) is None:
        pytest.skip(f"this machine has no {server} server")
    seed = random.SystemRandom().randrange(1_000_000)
    outcome = await play(scenario, server, seed, rounds=scenario.short, keep=directory)
    say(outcome)
    rounds = len(outcome.stage.unknown)

    assert outcome.broken == [], f"seed {seed}: {outcome.broken}"
    assert rounds == scenario.short, f"seed {seed}: {rounds} rounds"
    if scenario.name in _ALWAYS_UNKNOWN:
        assert outcome.rounds_unknown == rounds, f"seed {seed}: {outcome.stage.unknown}"
