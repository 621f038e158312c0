"""A cluster of six under load: a primary is killed, a slot moves to another server, or both.

Once more with a spool: nobody is refused, and what was put aside is stored when a round is over.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress

from redis.exceptions import RedisError

from relay.contract.keys import Keys
from tests.clusters import Node, SixNodes, six_nodes
from tests.faults.scenario import Scenario, Stage
from tests.faults.town import Plan, Town, a_town
from tests.senders import Load
from tests.servers import find_binary
from tests.waiting import wait_until

PARTITIONS = 6
LOAD = Load(500.0, 16, ("message.new", "mail.new"), 0.0)
PROMOTED_SECONDS = 30.0
FaultIn = Callable[[SixNodes, random.Random], Awaitable[None]]


async def killed(cluster: SixNodes, chance: random.Random) -> None:
    """Kill a primary that has events; it comes back when its replica has taken over."""
    slot = await asyncio.to_thread(_slot, cluster, chance)
    primary = await asyncio.to_thread(cluster.owner, slot)
    replica = await asyncio.to_thread(cluster.replica_of, primary)
    await asyncio.to_thread(primary.kill)
    await wait_until(
        lambda: asyncio.to_thread(replica.is_primary),
        deadline_seconds=PROMOTED_SECONDS,
        description="the replica is promoted",
    )
    await asyncio.sleep(chance.uniform(0, 1))
    await asyncio.to_thread(primary.start)
    await _until_all_follow(cluster)


async def moved(cluster: SixNodes, chance: random.Random) -> None:
    """Move a slot that events come to, a few keys at a time."""
    slot = await asyncio.to_thread(_slot, cluster, chance)
    owner = await asyncio.to_thread(cluster.owner, slot)
    goal = chance.choice(
        [node for node in cluster.nodes if node is not owner and node.is_primary()]
    )
    source = await asyncio.to_thread(cluster.begin_move, slot, goal)
    left = True
    while left:
        left = await asyncio.to_thread(_move_some, cluster, slot, source, goal)
        await asyncio.sleep(chance.uniform(0, 0.05))
    await asyncio.to_thread(cluster.end_move, slot, goal)


async def both(cluster: SixNodes, chance: random.Random) -> None:
    """Move a slot, and kill a primary afterwards."""
    await moved(cluster, chance)
    await killed(cluster, chance)


def _move_some(cluster: SixNodes, slot: int, source: Node, goal: Node) -> bool:
    """Carry a few keys over, and say whether there may be more."""
    with suppress(RedisError):  # a key that was just made or removed: it is tried again
        return cluster.move_keys(slot, source, goal, count=3) > 0
    return True


def _slot(cluster: SixNodes, chance: random.Random) -> int:
    """Choose the slot of one of the partitions."""
    key = Keys().streams(f"unipile#{chance.randrange(PARTITIONS)}")
    return int(cluster.running[0].ask("CLUSTER", "KEYSLOT", key))


async def _until_all_follow(cluster: SixNodes) -> None:
    """Wait until each primary has its replica again."""

    def complete() -> bool:
        primaries = [node for node in cluster.nodes if node.is_primary()]
        with suppress(AssertionError):
            # Who is asked for it says so a moment later.
            return len(primaries) == 3 and all(map(cluster.replica_of, primaries)) and synced()
        return False

    def synced() -> bool:
        primaries = [node for node in cluster.nodes if node.is_primary()]
        with ExitStack() as stack:
            clients = [stack.enter_context(node.client()) for node in primaries]
            counts = [int(client.info("replication")["connected_slaves"]) for client in clients]
        return all(counts)

    await wait_until(
        lambda: asyncio.to_thread(complete),
        deadline_seconds=PROMOTED_SECONDS,
        description="each primary has its replica again",
    )


def in_cluster(
    fault: FaultIn, durability: str, *, spooled: bool = False
) -> Callable[[Stage], Awaitable[None]]:
    """Make a play of a fault in a cluster at a durability, with workers beside the gateways."""

    async def play(stage: Stage) -> None:
        binary = find_binary(stage.server)
        assert binary is not None, f"no {stage.server} server"
        with ExitStack() as stack:
            made = six_nodes(binary, stage.directory, "always")
            cluster = await asyncio.to_thread(stack.enter_context, made)
            spool = {"RELAY_SPOOL__DIRECTORY": str(stage.directory / "spool")} if spooled else {}
            plan = Plan(
                load=LOAD,
                workers=2,
                url=cluster.url,
                variables={
                    "RELAY_DURABILITY": durability,
                    "RELAY_ENDPOINTS__UNIPILE__PARTITIONS": str(PARTITIONS),
                    **spool,
                },
                answers=frozenset((0, 200) if spooled else (0, 200, 503)),
                drains=spooled,
            )
            async with a_town(stage, plan, cluster.nodes[0]) as town:
                await _play(town, cluster, fault)

    return play


async def _play(town: Town, cluster: SixNodes, fault: FaultIn) -> None:
    stage = town.stage
    for number in range(stage.rounds):
        chance = stage.chance(number)
        async with town.sending(f"r{number:03}", chance) as senders:
            await asyncio.sleep(chance.uniform(0, 0.5))
            await fault(cluster, chance)
            await town.until_settled(f"round {number}")
        if town.plan.drains:
            await town.until_stored(*cluster.primaries)
        stage.end_round(senders.unanswered + senders.statuses[503])
    with ExitStack() as stack:
        await town.conclude(*(stack.enter_context(node.client()) for node in cluster.primaries))


_ROWS = (
    ("killed", "a cluster's primary is killed (-9), its replica takes over", killed),
    ("moved", "a slot moves to another server of the cluster", moved),
    ("both", "a slot moves, then a primary of the cluster is killed (-9)", both),
)
SCENARIOS = tuple(
    Scenario(
        f"cluster-{name}-{durability.partition(':')[0]}",
        title,
        in_cluster(fault, durability),
        rounds=4,
        durability=f"`{durability}`, `always`",
        # A primary's death may lose what its replica had not got; a move loses nothing.
        may_lose=durability == "local" and name != "moved",
    )
    for name, title, fault in _ROWS
    for durability in ("local", "replicated:1")
) + tuple(
    Scenario(
        f"cluster-{name}-spool",
        f"{title}; the spool is on",
        in_cluster(fault, "replicated:1", spooled=True),
        rounds=4,
        durability="`replicated:1`, `always`, spool",
    )
    for name, title, fault in _ROWS
)
