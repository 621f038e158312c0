"""A primary and its replicas on loopback, whose link can be cut as a partition cuts it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.proxy import Proxy, proxy_to
from tests.servers import Server
from tests.waiting import wait_until

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class ReplicaSet:
    """Servers that hold the same.

    Args:
        primary: Takes the writes.
        replicas: Follow it through the link.
        link: What lies between; a black hole there is a partition.
        front: What clients talk to, so that another server can take the primary's place.
        start: Starts another server of their kind.
    """

    primary: Server
    replicas: list[Server]
    link: Proxy
    front: Proxy
    start: Callable[[], Server]

    def cut_off(self) -> None:
        """Let nothing pass between primary and replicas, and let neither know."""
        self.link.swallow()

    def rejoin(self) -> None:
        """Let the replicas follow again."""
        self.link.heal()

    async def promote(self, replica: Server) -> None:
        """Have a replica take the primary's place, at its address too."""
        await asyncio.to_thread(_promote, replica)
        self.front.lead_to(replica.port)

    async def fail_over(self) -> Server:
        """Kill the primary and promote the first replica; give that."""
        self.primary.kill()
        await self.promote(self.replicas[0])
        return self.replicas[0]

    async def add_replica(self, of: Server) -> Server:
        """Start another replica, which follows a server straight, and return when it does."""
        replica = await asyncio.to_thread(self.start)
        self.replicas.append(replica)
        await follow(replica, of.port)
        return replica


async def follow(replica: Server, port: int) -> None:
    """Have a server follow another, and return when it does."""
    await asyncio.to_thread(_follow, replica, port)
    await until_linked(replica)


async def until_linked(replica: Server) -> None:
    """Wait until a replica has what its primary has."""

    async def is_linked() -> bool:
        return await asyncio.to_thread(_link_of, replica) == "up"

    await wait_until(is_linked, deadline_seconds=20, description="the replica follows")


async def until_counted(primary: Server, count: int) -> None:
    """Wait until a primary says of so many replicas that they are in step: later than they do."""

    async def are_counted() -> bool:
        return await asyncio.to_thread(_online, primary) == count

    await wait_until(are_counted, deadline_seconds=20, description="the primary counts replicas")


@asynccontextmanager
async def replicated(
    start: Callable[[str], Server], name: str, *, count: int = 1
) -> AsyncIterator[ReplicaSet]:
    """Have a primary and its replicas within the block.

    Args:
        start: Starts a server of a kind, as the fixture ``start_server`` does.
        name: Which kind.
        count: How many replicas.
    """
    primary, *replicas = await asyncio.to_thread(lambda: [start(name) for _ in range(1 + count)])
    with primary.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    async with proxy_to(primary.port) as link, proxy_to(primary.port) as front:
        made = ReplicaSet(primary, replicas, link, front, lambda: start(name))
        try:
            for replica in replicas:
                await follow(replica, link.port)
            await until_counted(primary, count)
            yield made
        finally:
            # Asked to stop, a primary would wait for replicas that are cut off.
            for server in (primary, *replicas):
                server.kill()


def _follow(replica: Server, port: int) -> None:
    with replica.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
        client.replicaof(LOOPBACK, port)


def _promote(replica: Server) -> None:
    with replica.client() as client:
        client.replicaof("NO", "ONE")


def _online(primary: Server) -> int:
    with primary.client() as client:
        facts = client.info("replication")
    each = [facts.get(f"slave{number}", {}) for number in range(int(facts["connected_slaves"]))]
    return sum(replica.get("state") == "online" for replica in each)


def _link_of(replica: Server) -> str:
    with replica.client() as client:
        return str(client.info("replication").get("master_link_status"))
