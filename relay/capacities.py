"""Watches the memory of each server of a cluster: one that is full stops its own endpoints only.

Source: docs/adr/0027.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from relay.capacity import Capacity, Meter
from relay.contract import cluster
from relay.contract.connect import UNKNOWN_OUTCOME
from relay.contract.duties import cancel

if TYPE_CHECKING:
    from relay.contract.address import Host

# Servers come and go seldom.
LOOK_SECONDS = 1.0
AWAY_SECONDS = 0.5


def make_capacity(redis: Redis, meter: Meter) -> Capacity:
    """Make what watches a store, be it one server or many.

    Args:
        redis: From `relay.contract.connect.connect`.
        meter: Is told how full the store is, and of several servers the fullest.
    """
    kind = SpreadCapacity if cluster.is_cluster(redis) else Capacity
    return kind(redis, meter)


class SpreadCapacity(Capacity):
    """Knows which servers of a cluster have room for events.

    Args:
        redis: A client of the cluster.
        meter: Is told the ratio of the fullest.
    """

    def __init__(self, redis: Redis, meter: Meter) -> None:
        super().__init__(redis, meter)
        self._shares: dict[Host, _Share] = {}
        self._tasks: dict[Host, asyncio.Task[None]] = {}

    @property
    def is_short(self) -> bool:
        """Whether any server's room is for events only."""
        return any(share.capacity.is_short for share in self._shares.values())

    @property
    def is_full(self) -> bool:
        """Whether no server has room."""
        shares = self._shares.values()
        return bool(shares) and all(share.capacity.is_full for share in shares)

    def is_full_at(self, node: Redis) -> bool:
        """Tell whether the server that a client leads to has no room."""
        share = self._shares.get(cluster.address_of(node))
        return share is not None and share.capacity.is_full

    async def watch(self) -> None:
        """Watch every primary, those too that come later, until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await cancel(self._tasks.values())
            self._tasks.clear()
            self._shares.clear()

    async def look(self) -> None:
        """Begin to watch servers that are new, and leave those that are gone.

        Raises:
            ClusterUnknown: None is known.
        """
        with suppress(*UNKNOWN_OUTCOME):  # what was known before is known still
            await cluster.look(self._redis)
        nodes = {cluster.address_of(node): node for node in cluster.nodes(self._redis)}
        for host in self._shares.keys() - nodes.keys():
            await cancel([self._tasks.pop(host)])
            del self._shares[host]
        for host in nodes.keys() - self._shares.keys():
            share = self._shares[host] = _Share(self, nodes[host])
            self._tasks[host] = asyncio.create_task(share.watch(), name=f"capacity {host}")
        for task in self._tasks.values():
            if task.done():
                task.result()  # an error that nobody expected ends the whole watch

    def show(self) -> None:
        """Say how full the fullest is."""
        self._meter.store_memory(max(share.ratio for share in self._shares.values()))


class _Share:
    """One server's part of the watch."""

    def __init__(self, whole: SpreadCapacity, node: Redis) -> None:
        self._whole = whole
        self.capacity = Capacity(node, self, server=str(cluster.address_of(node)))
        self.ratio = 0.0

    async def watch(self) -> None:
        while True:
            with suppress(*UNKNOWN_OUTCOME):
                await self.capacity.watch()
            # Whoever takes its place is another server, or says so itself.
            self.ratio = 0.0
            await asyncio.sleep(AWAY_SECONDS)

    def store_memory(self, ratio: float) -> None:
        """Take note of how full it is."""
        self.ratio = ratio
        self._whole.show()
