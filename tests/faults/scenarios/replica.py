"""A replica is cut off, events come, the primary is killed, and that replica is promoted.

What was refused for want of the replica comes again through another gateway while the primary
still has it: a duplicate, of an event that the replica has not got.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.faults.scenario import Scenario, Stage
from tests.faults.town import Plan, Town, a_server, a_town
from tests.proxy import Proxy, proxy_to
from tests.servers import Server
from tests.waiting import wait_until

# Longer than a gateway waits: what it refuses comes again, to either.
CUT_SECONDS = (3.0, 6.0)
LINK_SECONDS = 20.0


def cut_off(durability: str, *, spooled: bool = False) -> Callable[[Stage], Awaitable[None]]:
    """Make a play of it at a durability."""

    async def play(stage: Stage) -> None:
        for number in range(stage.rounds):
            part = stage.part(number)
            spool = {"RELAY_SPOOL__DIRECTORY": str(part.directory / "spool")} if spooled else {}
            plan = Plan(variables={"RELAY_DURABILITY": durability, **spool}, drains=spooled)
            await _round(part, plan, stage.chance(number))
            stage.add(part)

    return play


async def _round(stage: Stage, plan: Plan, chance: random.Random) -> None:
    primary = a_server(stage, plan)
    await asyncio.to_thread(primary.start)
    async with _a_replica(stage, primary) as (replica, link), a_town(stage, plan, primary) as town:
        async with town.sending("cut", chance) as senders:
            await asyncio.sleep(chance.uniform(0.1, 0.5))
            link.swallow()
            await asyncio.sleep(chance.uniform(*CUT_SECONDS))
            refused = senders.statuses[503]
            await _promote(town, replica)
            await town.until_settled("after the failover")
        stage.end_round(senders.unanswered + town.unanswered() + refused)
        if plan.drains:
            await town.until_stored(replica)
        with replica.client() as client:
            await town.conclude(client)


@asynccontextmanager
async def _a_replica(stage: Stage, primary: Server) -> AsyncIterator[tuple[Server, Proxy]]:
    """Have a replica, and the link by which it follows, within the block."""
    directory = stage.directory / "replica"
    directory.mkdir()
    replica = a_server(replace(stage, directory=directory), Plan())
    async with proxy_to(primary.port) as link:
        try:
            await asyncio.to_thread(replica.start)
            await follow(replica, link.port, primary)
            yield replica, link
        finally:
            # Asked to stop, a primary would wait for those that are cut off.
            primary.kill()
            replica.kill()


async def _promote(town: Town, replica: Server) -> None:
    """Kill the primary, have the replica take its place, and the primary follow that."""
    await asyncio.to_thread(town.server.kill)
    with replica.client() as client:
        client.replicaof("NO", "ONE")
    for proxy in town.proxies:
        proxy.lead_to(replica.port)
    await asyncio.to_thread(town.server.start)
    await follow(town.server, replica.port, replica)


async def follow(replica: Server, port: int, primary: Server) -> None:
    """Have a server follow another through a port, and return when it does."""
    for server in (primary, replica):
        with server.client() as client:
            client.config_set("repl-diskless-sync-delay", 0)
    with replica.client() as client:
        client.replicaof("127.0.0.1", str(port))

    async def is_linked() -> bool:
        with replica.client() as client:
            facts = await asyncio.to_thread(client.info, "replication")
        return bool(facts.get("master_link_status") == "up")

    await wait_until(is_linked, deadline_seconds=LINK_SECONDS, description="the replica follows")


TITLE = (
    "the replica is cut off, refused events come again through another gateway, the primary is "
    "killed (-9), the replica promoted"
)
SCENARIOS = (
    Scenario("replica-cut-off-local", TITLE, cut_off("local"), rounds=3, may_lose=True),
    Scenario(
        "replica-cut-off-replicated",
        TITLE,
        cut_off("replicated:1"),
        rounds=10,
        short=1,
        durability="`replicated:1`, `always`",
    ),
    Scenario(
        "replica-cut-off-spool",
        "the replica is cut off, events are spooled, the primary is killed (-9), the replica "
        "promoted",
        cut_off("replicated:1", spooled=True),
        rounds=5,
        durability="`replicated:1`, `always`, spool",
    ),
)
