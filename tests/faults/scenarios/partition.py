"""Primary and replica are cut off from each other for seven seconds, and the replica promoted.

The gateways are on the primary's side and go on writing to it; when the cable is in again, the
sentinels make it follow the promoted replica, and what only it had is gone.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from tests.faults import needs
from tests.faults.checker import Left
from tests.faults.namespaces import run_in, two_networks
from tests.faults.scenario import Scenario, Stage
from tests.faults.town import ROOT

ROUND_SECONDS = 150.0
TITLE = "primary and replica are cut off from each other for 7 s, and the replica is promoted"


def partition(durability: str) -> Callable[[Stage], Awaitable[None]]:
    """Make a play of it at a durability."""

    async def play(stage: Stage) -> None:
        for number in range(stage.rounds):
            await _round(stage, durability, number)

    return play


async def _round(stage: Stage, durability: str, number: int) -> None:
    directory = stage.directory / str(number)
    directory.mkdir()
    with two_networks() as networks:
        words = (networks.here, networks.there, directory, stage.server, stage.seed, durability)
        inside = await asyncio.create_subprocess_exec(
            *run_in(networks.here),
            *(sys.executable, "-m", "tests.faults.inside", *map(str, words)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(inside.communicate(), ROUND_SECONDS)
    if inside.returncode:
        stage.troubles.append(f"round {number} came to no end: {inside.returncode}")
        return
    found = json.loads(said)
    stage.unknown += found["unknown"]
    stage.troubles += found["troubles"]
    stage.conclude(Left(set(found["intended"]), set(found["accepted"]), found["stored"]))


SCENARIOS = (
    Scenario(
        "partition-local",
        TITLE,
        partition("local"),
        rounds=2,
        needs=needs.namespaces,
        may_lose=True,
    ),
    Scenario(
        "partition-replicated",
        TITLE,
        partition("replicated:1"),
        rounds=2,
        durability="`replicated:1`, `always`",
        needs=needs.namespaces,
    ),
)
