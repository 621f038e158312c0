"""Plays one round of a partition within the first of two networks, and prints what is left.

Started by `tests.faults.scenarios.partition`: a process is in one network as a whole.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

from tests.faults.evidence import gather
from tests.faults.namespaces import Networks
from tests.faults.scenario import Stage
from tests.faults.town import Plan, Town, a_town
from tests.faults.watched import WatchedStore, a_watched_store
from tests.senders import Load
from tests.servers import find_binary

BEFORE_SECONDS, CUT_SECONDS = 3.0, 7.0
MOVED_SECONDS = 40.0
LOAD = Load(2000.0, 24, ("message.new", "mail.new"), 0.0)


async def partition(stage: Stage, networks: Networks, durability: str) -> None:
    """Cut the cable for seven seconds under load; the replica is promoted meanwhile."""
    binary = find_binary(stage.server)
    assert binary is not None, f"no {stage.server} server"
    async with a_watched_store(binary, stage.directory, networks) as store:
        plan = Plan(load=LOAD, variables={"RELAY_DURABILITY": durability}, url=store.url)
        async with a_town(stage, plan, store.primary) as town:
            unknown = await _play(town, store, networks)
            # Refused for want of a replica, an event may be stored all the same.
            stage.end_round(unknown[0] + (0 if durability == "local" else unknown[503]))
            town.judge_members()
        with store.replica.client() as client:
            left = gather(stage.directory, client)
    sys.stdout.write(
        json.dumps(
            {
                "unknown": stage.unknown,
                "troubles": stage.troubles,
                "intended": sorted(left.intended),
                "accepted": sorted(left.accepted),
                "stored": left.stored,
            }
        )
    )


async def _play(town: Town, store: WatchedStore, networks: Networks) -> Counter[int]:
    """Give how often each answer came, and under 0 how often none did."""
    async with town.sending("cut", town.stage.chance("cut")) as senders:
        await asyncio.sleep(BEFORE_SECONDS)
        networks.cut()
        await asyncio.sleep(CUT_SECONDS)
        networks.heal()
        await store.until_moved(MOVED_SECONDS)
        await town.until_settled("after the partition")
    return Counter({503: senders.statuses[503], 0: senders.unanswered})


def main() -> None:
    """Read what to play, and play it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("here", "there", "directory", "server", "seed", "durability"):
        parser.add_argument(name)
    given = parser.parse_args()
    stage = Stage(Path(given.directory), given.server, 1, int(given.seed))
    asyncio.run(partition(stage, Networks(given.here, given.there), given.durability))


if __name__ == "__main__":
    main()
