"""A replica takes the primary's place, as sentinels have it: by plan, or since it was killed.

Each round has servers and sentinels of its own.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.faults.scenario import Scenario, Stage
from tests.faults.town import Plan, Town, a_town
from tests.faults.watched import WatchedStore, a_watched_store
from tests.servers import find_binary

# Sentinels touch a former primary when they have seen it up for eight seconds without a break,
# which a busy machine may give them late.
MOVED_SECONDS = 120.0
FaultAt = Callable[[WatchedStore, random.Random], Awaitable[None]]


async def killed(store: WatchedStore, chance: random.Random) -> None:
    """Kill the primary; it comes back when the replica has taken over."""
    await asyncio.to_thread(store.primary.kill)
    await store.until_promoted(MOVED_SECONDS)
    await asyncio.sleep(chance.uniform(0, 1))
    await asyncio.to_thread(store.primary.start)


async def planned(store: WatchedStore, _: random.Random) -> None:
    """Have the sentinels change the roles of two servers that are well."""
    await asyncio.to_thread(store.fail_over)


def failing_over(fault: FaultAt, durability: str) -> Callable[[Stage], Awaitable[None]]:
    """Make a play of a failover at a durability."""

    async def play(stage: Stage) -> None:
        for number in range(stage.rounds):
            part = stage.part(number)
            await _round(part, fault, durability, stage.chance(number))
            stage.add(part)

    return play


async def _round(stage: Stage, fault: FaultAt, durability: str, chance: random.Random) -> None:
    binary = find_binary(stage.server)
    assert binary is not None, f"no {stage.server} server"
    async with a_watched_store(binary, stage.directory) as store:
        plan = Plan(url=store.url, variables={"RELAY_DURABILITY": durability})
        async with a_town(stage, plan, store.primary) as town:
            unknown = await _fail(town, store, fault, chance)
            stage.end_round(unknown[0] + (0 if durability == "local" else unknown[1]))
            with store.replica.client() as client:
                await town.conclude(client)


async def _fail(
    town: Town, store: WatchedStore, fault: FaultAt, chance: random.Random
) -> tuple[int, int]:
    """Give how many had no answer, and how many were refused."""
    async with town.sending("moved", chance) as senders:
        await asyncio.sleep(chance.uniform(0.2, 1.0))
        await fault(store, chance)
        await store.until_moved(MOVED_SECONDS)
        await town.until_settled("after the failover")
    return senders.unanswered, senders.statuses[503]


SCENARIOS = tuple(
    Scenario(
        f"failover-{name}-{durability.partition(':')[0]}",
        title,
        failing_over(fault, durability),
        rounds=2,
        durability=f"`{durability}`, `always`",
        may_lose=durability == "local",
    )
    for name, title, fault in (
        ("killed", "the primary is killed (-9), and sentinels promote its replica", killed),
        ("planned", "sentinels change the roles of primary and replica", planned),
    )
    for durability in ("local", "replicated:1")
)
