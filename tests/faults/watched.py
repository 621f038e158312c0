"""A primary, its replica, and three sentinels that watch both.

On loopback, or the primary here and all others there, in two networks with one cable.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from relay.contract.address import Address, Host, write_address
from tests.faults.namespaces import HERE, THERE, Networks, run_in
from tests.sentinels import (
    LOOPBACK,
    SENTINELS,
    SERVICE,
    SentinelProcess,
    Watch,
    wait_until_agreed,
)
from tests.servers import Server, wait_until_sync

# Longer than elsewhere: under load, a server that is well must not be taken for one that is down.
DOWN_MS, FAILOVER_MS = 1000, 5000


class WatchedStore:
    """The store of a failover; to be used by what runs here.

    Args:
        binary: The server's program.
        directory: For the files of all.
        networks: Where they run; by default all on loopback.
    """

    def __init__(self, binary: Path, directory: Path, networks: Networks | None = None) -> None:
        self._here, self._there = (HERE, THERE) if networks else (LOOPBACK, LOOPBACK)
        self._directory = directory
        self._binary = binary
        self.primary = self._server("primary", self._here)
        self.replica = self._server("replica", self._there)
        self.replica.url = f"redis://{self._there}:{self.replica.port}/0"
        self.replica.run_by = run_there = run_in(networks.there) if networks else []
        watch = Watch(
            primary=Host(self._here, self.primary.port),
            host=self._there,
            run_by=run_there,
            down_ms=DOWN_MS,
            failover_ms=FAILOVER_MS,
            more=["protected-mode no"],
        )
        self._sentinels = [SentinelProcess(binary, directory, watch) for _ in range(SENTINELS)]

    @property
    def url(self) -> str:
        """Where gateways ask for it."""
        hosts = tuple(Host(self._there, sentinel.port) for sentinel in self._sentinels)
        return write_address(Address(kind="sentinel", hosts=hosts, service=SERVICE))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have all of it run within the block, which begins when a failover could succeed."""
        with ExitStack() as stack:
            # Asked to stop, a primary would wait for a replica that is cut off.
            stack.callback(self.primary.kill)
            self.primary.start()
            stack.callback(self.replica.kill)
            self.replica.start()
            with self.replica.client() as client:
                client.replicaof(self._here, str(self.primary.port))
            for sentinel in self._sentinels:
                stack.callback(sentinel.stop)
                sentinel.start()
            wait_until_agreed(self._sentinels)
            yield

    async def until_moved(self, deadline_seconds: float) -> None:
        """Wait until the replica has taken over and the former primary follows it."""
        said = "the former primary follows the promoted replica"
        await _until(self._has_moved, deadline_seconds, said)

    async def until_promoted(self, deadline_seconds: float) -> None:
        """Wait until the replica takes writes."""
        await _until(self._is_promoted, deadline_seconds, "the replica is promoted")

    def fail_over(self) -> None:
        """Let the replica take over as an operator would plan it."""
        self._sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)

    def _server(self, name: str, address: str) -> Server:
        directory = self._directory / name
        directory.mkdir()
        server = Server(self._binary, directory, "always")
        server.options = {
            "bind": " ".join(dict.fromkeys((LOOPBACK, address))),
            "protected-mode": "no",
            "repl-diskless-sync-delay": "0",
        }
        return server

    def _is_promoted(self) -> bool:
        # The sentinel that promotes it kills its clients' connections.
        with suppress(RedisError, OSError), self.replica.client() as client:
            role: Any = _ask(client, "ROLE")
            return bool(role[0] == b"master")
        return False

    def _has_moved(self) -> bool:
        with suppress(RedisError, OSError), self.primary.client() as client:
            role: Any = _ask(client, "ROLE")
            return bool(role[0] == b"slave" and role[3] == b"connected")
        return False


@asynccontextmanager
async def a_watched_store(
    binary: Path, directory: Path, networks: Networks | None = None
) -> AsyncIterator[WatchedStore]:
    """Have such a store within the block."""
    store = WatchedStore(binary, directory, networks)
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, store.running())
        yield store


async def _until(condition: Callable[[], bool], deadline_seconds: float, description: str) -> None:
    await asyncio.to_thread(
        wait_until_sync, condition, deadline_seconds=deadline_seconds, description=description
    )


def _ask(client: Redis, *command: str) -> Any:
    # Its typed methods make other things of the replies, one version this and another that.
    return client.execute_command(*command)
