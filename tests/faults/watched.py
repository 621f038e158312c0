"""A primary, its replica, and three sentinels that watch both.

On loopback, or the primary here and all others there, in two networks with one cable.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.faults.namespaces import HERE, THERE, Networks, run_in
from tests.servers import Server, free_port, wait_until_sync

LOOPBACK = "127.0.0.1"
SERVICE = "events"
QUORUM, SENTINELS = 2, 3
DOWN_MS, FAILOVER_MS = 1000, 5000
READY_SECONDS = 30.0


class WatchedStore:
    """The store of a failover; to be used by what runs here.

    Args:
        binary: The server's program.
        directory: For the files of all.
        networks: Where they run; by default all on loopback.
    """

    def __init__(self, binary: Path, directory: Path, networks: Networks | None = None) -> None:
        self._here, self._there = (HERE, THERE) if networks else (LOOPBACK, LOOPBACK)
        self._run_there = run_in(networks.there) if networks else []
        self._directory = directory
        self._binary = binary
        self._sentinels: list[tuple[int, subprocess.Popen[bytes]]] = []
        self.primary = self._server("primary", self._here)
        self.replica = self._server("replica", self._there)
        self.replica.url = f"redis://{self._there}:{self.replica.port}/0"
        self.replica.run_by = self._run_there

    @property
    def url(self) -> str:
        """Where gateways ask for it."""
        hosts = ",".join(f"{self._there}:{port}" for port, _ in self._sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

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
            stack.callback(self._kill_sentinels)
            for _ in range(SENTINELS):
                self._start_sentinel()
            wait_until_sync(
                self._is_ready, deadline_seconds=READY_SECONDS, description="sentinels agree"
            )
            yield

    async def until_moved(self, deadline_seconds: float) -> None:
        """Wait until the replica has taken over and the former primary follows it."""
        await asyncio.to_thread(
            wait_until_sync,
            self._has_moved,
            deadline_seconds=deadline_seconds,
            description="the former primary follows the promoted replica",
        )

    async def until_promoted(self, deadline_seconds: float) -> None:
        """Wait until the replica takes writes."""
        await asyncio.to_thread(
            wait_until_sync,
            self._is_promoted,
            deadline_seconds=deadline_seconds,
            description="the replica is promoted",
        )

    def fail_over(self) -> None:
        """Let the replica take over as an operator would plan it."""
        with self._client(self._sentinels[0][0]) as client:
            _ask(client, "SENTINEL", "FAILOVER", SERVICE)

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

    def _start_sentinel(self) -> None:
        port = free_port()
        file = self._directory / f"sentinel-{port}.conf"
        lines = [
            f"port {port}",
            f"bind {self._there}",
            "protected-mode no",
            f"dir {self._directory}",
            f"sentinel monitor {SERVICE} {self._here} {self.primary.port} {QUORUM}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}",
            f"sentinel failover-timeout {SERVICE} {FAILOVER_MS}",
        ]
        file.write_text("\n".join(lines))
        command = [*self._run_there, str(self._binary), str(file), "--sentinel"]
        with file.with_suffix(".log").open("ab") as log:
            self._sentinels.append((port, subprocess.Popen(command, stdout=log, stderr=log)))

    def _kill_sentinels(self) -> None:
        for _, process in self._sentinels:
            process.kill()
            process.wait()

    def _is_ready(self) -> bool:
        with suppress(RedisError, OSError):
            return all(self._knows_all(port) for port, _ in self._sentinels)
        return False

    def _knows_all(self, port: int) -> bool:
        with self._client(port) as client:
            words: Any = _ask(client, "SENTINEL", "MASTER", SERVICE)
            replicas: Any = _ask(client, "SENTINEL", "REPLICAS", SERVICE)
        # A client may have made a mapping of them already.
        state = (
            words if isinstance(words, dict) else dict(zip(words[::2], words[1::2], strict=True))
        )
        return int(state["num-other-sentinels"]) == SENTINELS - 1 and len(replicas) == 1

    @contextmanager
    def _client(self, port: int) -> Iterator[Redis]:
        client = Redis(
            host=self._there,
            port=port,
            protocol=2,
            decode_responses=True,
            socket_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            yield client
        finally:
            client.close()

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


def _ask(client: Redis, *command: str) -> Any:
    # Its typed methods make other things of the replies, one version this and another that.
    return client.execute_command(*command)  # type: ignore[no-untyped-call]
