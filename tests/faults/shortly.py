"""What of the suite is played with every run of the tests, in two halves that run side by side.

With a quarter of the load, and faults that need the same town one after the other in one: to start
one costs more than a round. What costs more, in rounds and load, is played by ``make faults``.
"""

import random
import time
from pathlib import Path

import pytest

from tests.faults.__main__ import say
from tests.faults.scenario import Outcome, Scenario, Stage
from tests.faults.scenarios import ALL, connection, gateway, replica, spool, store
from tests.faults.suite import play
from tests.faults.town import Plan, Playing, a_town
from tests.servers import find_binary

# What rests on how the store keeps and copies is played on every kind; the rest on one.
_ON_EVERY = {"store-killed", "replica-cut-off-replicated"}
_BESIDES = (*replica.SCENARIOS, *spool.SCENARIOS)
# Their fault lies behind what was sent, so each round must have such an outcome.
_ALWAYS_UNKNOWN = {"reply-lost", "request-lost", "link-silent"}
SHARE_OF_LOAD = 0.25
# Of less, a spool would be empty before anything could strike who drains it.
_FULL_LOAD = {"spool-drain-killed"}


def _short(*scenarios: Scenario) -> list[Scenario]:
    return [scenario for scenario in scenarios if scenario.short]


def _alone(*, besides: bool) -> list[object]:
    return [
        pytest.param(scenario, server, id=f"{scenario.name}-{server}")
        for scenario in _short(*ALL)
        if (scenario in _BESIDES) is besides
        for server in scenario.servers[: None if scenario.name in _ON_EVERY else 1]
        if (scenario, server) not in _IN_ONE_TOWN
    ]


TOWNS = {
    "processes": _short(*store.SCENARIOS, *gateway.SCENARIOS),
    "connections": _short(*connection.SCENARIOS),
}
_IN_ONE_TOWN = [(one, one.servers[0]) for together in TOWNS.values() for one in together]
SHORT = {"one store": _alone(besides=False), "besides": _alone(besides=True)}


async def assert_kept(scenario: Scenario, server: str, directory: Path) -> None:
    """Play the few rounds of a scenario, or skip the test with the reason why not."""
    _skip_without(server, scenario)
    seed = random.SystemRandom().randrange(1_000_000)
    share = 1.0 if scenario.name in _FULL_LOAD else SHARE_OF_LOAD
    outcome = await play(
        scenario, server, seed, rounds=scenario.short, share_of_load=share, keep=directory
    )
    say(outcome)
    rounds = len(outcome.stage.unknown)

    assert outcome.broken == [], f"seed {seed}: {outcome.broken}"
    assert rounds == scenario.short, f"seed {seed}: {rounds} rounds"


async def assert_all_kept(scenarios: list[Scenario], directory: Path) -> None:
    """Play the few rounds of each in one town, or skip the test with the reason why not."""
    server = scenarios[0].servers[0]
    _skip_without(server, *scenarios)
    seed, started = random.SystemRandom().randrange(1_000_000), time.monotonic()
    rounds = [scenario for scenario in scenarios for _ in range(scenario.short)]
    stage = Stage(directory, server, len(rounds), seed, SHARE_OF_LOAD)
    async with a_town(stage) as town:
        for number, scenario in enumerate(rounds):
            assert isinstance(scenario.play, Playing)
            assert scenario.play.plan == Plan(), f"{scenario.name} needs a town of its own"
            await town.round(number, scenario.play.fault)
        await town.conclude()
    said = f"seed {seed}, rounds of {[scenario.name for scenario in rounds]}"
    broken = Outcome(scenarios[0], stage, time.monotonic() - started).broken

    assert broken == [], f"{said}: {broken}"
    assert len(stage.unknown) == len(rounds)
    for scenario, unknown in zip(rounds, stage.unknown, strict=True):
        if scenario.name in _ALWAYS_UNKNOWN:
            assert unknown, f"{said}: {stage.unknown}"


def _skip_without(server: str, *scenarios: Scenario) -> None:
    for scenario in scenarios:
        if why := scenario.needs():
            pytest.skip(why)
    if find_binary(server) is None:
        pytest.skip(f"this machine has no {server} server")
