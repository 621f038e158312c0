"""How a process waits for entries: by one connection of each kind, or in a cluster one per tag."""

from redis.asyncio import Redis

from consumers.blocking import BlockingConnection
from consumers.consumer import Consumer
from consumers.order.watch import BLOCK_SECONDS as ORDER_BLOCK_SECONDS
from consumers.order.watch import OneWatch, TagWatches, Watch
from consumers.read import BLOCK_SECONDS, Reader
from consumers.read_by_tag import TagReaders
from consumers.sources import Sources
from relay.contract.cluster import is_cluster
from relay.contract.connect import connect

# To each server of a cluster: one for each tag that it has, made when it is needed.
MOST_CONNECTIONS = 10_000


class Readers:
    """Makes what reads and what waits, and has the connections over which they block.

    Args:
        url: The store.
        us: This process.
    """

    def __init__(self, url: str, us: Consumer) -> None:
        self._us = us
        self._clients: list[Redis] = []
        if is_cluster(us.redis):
            self._clients = [_blocking(url, "read", BLOCK_SECONDS)]
            self._clients.append(_blocking(url, "order", ORDER_BLOCK_SECONDS))
            self._connections: list[BlockingConnection] = []
        else:
            self._connections = [
                BlockingConnection(url, "read", BLOCK_SECONDS),
                BlockingConnection(url, "order", ORDER_BLOCK_SECONDS),
            ]

    def shared(self, sources: Sources) -> Reader | TagReaders:
        """Make what reads streams without order; see `consumers.read.Reader`."""
        if self._clients:
            return TagReaders(self._clients[0], self._us, sources)
        return Reader(self._connections[0], self._us, sources)

    def watch(self) -> Watch:
        """Make what waits for streams with order."""
        if self._clients:
            return TagWatches(self._clients[1], self._us)
        return OneWatch(self._connections[1], self._us)

    async def aclose(self) -> None:
        """Close all of it for good."""
        for client in self._clients:
            await client.aclose()
        for connection in self._connections:
            await connection.aclose()


def _blocking(url: str, role: str, block_seconds: float) -> Redis:
    return connect(url, role=role, connections=MOST_CONNECTIONS, block_seconds=block_seconds)
