"""A primary, its replica and three sentinels on loopback, for tests of failovers."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from relay.contract.address import Address, Host, write_address
from tests.servers import Server, free_port, wait_until_sync

LOOPBACK = "127.0.0.1"
SERVICE = "events"
SENTINELS = 3
QUORUM = 2
DOWN_MS = 500
FAILOVER_MS = 3_000
# Longer than it takes until a sentinel has made a replica of the former primary.
PAUSE_MS = 20_000
AGREE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What sentinels watch, and how.

    Args:
        primary: The server.
        host: Where they listen.
        run_by: What their command is put behind.
        quorum: How many must agree that the server is down.
        down_ms: How long it must not have answered.
        failover_ms: How long its replica has to take over.
        password: What they ask for.
        more: More lines of their configuration.
    """

    primary: Host
    host: str = LOOPBACK
    run_by: Sequence[str] = ()
    quorum: int = QUORUM
    down_ms: int = DOWN_MS
    failover_ms: int = FAILOVER_MS
    password: str | None = None
    more: Sequence[str] = ()

    def lines(self) -> list[str]:
        """Write it as a sentinel's configuration has it."""
        host, port = self.primary
        lines = [
            f"bind {self.host}",
            f"sentinel monitor {SERVICE} {host} {port} {self.quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {self.down_ms}",
            f"sentinel failover-timeout {SERVICE} {self.failover_ms}",
            *self.more,
        ]
        if self.password:
            # They ask each other by it too.
            lines += [f'requirepass "{self.password}"', f'sentinel sentinel-pass "{self.password}"']
        return lines


class SentinelProcess:
    """One sentinel.

    Args:
        binary: A server's program; with ``--sentinel`` it is one.
        directory: Its own: it writes its state into its configuration.
        watch: What it is to do.
    """

    def __init__(self, binary: Path, directory: Path, watch: Watch) -> None:
        self.port = free_port()
        self._watch = watch
        self._file = directory / f"sentinel-{self.port}.conf"
        self._command = [*watch.run_by, str(binary), str(self._file), "--sentinel"]
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"port {self.port}", f"dir {directory}", *watch.lines()]
        self._file.write_text("\n".join(lines))

    def start(self) -> None:
        """Start it; it answers soon after."""
        with self._file.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def stop(self) -> None:
        """Kill it: it has nothing to lose."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def ask(self, *words: str) -> Any:
        """Send it a command."""
        client = Redis(
            host=self._watch.host,
            port=self.port,
            password=self._watch.password,
            protocol=2,
            decode_responses=True,
            socket_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return client.execute_command(*words)
        finally:
            client.close()

    def knows_all(self) -> bool:
        """Say whether it knows the primary, its replica and the other sentinels."""
        words = self.ask("SENTINEL", "MASTER", SERVICE)
        state = dict(zip(words[::2], words[1::2], strict=True))
        replicas = self.ask("SENTINEL", "REPLICAS", SERVICE)
        others = int(state["num-other-sentinels"])
        return others == SENTINELS - 1 and len(replicas) == 1 and state["flags"] == "master"


def wait_until_agreed(sentinels: Sequence[SentinelProcess]) -> None:
    """Return when a failover could succeed."""

    def agreed() -> bool:
        with suppress(RedisError, OSError):
            return all(sentinel.knows_all() for sentinel in sentinels)
        return False

    wait_until_sync(agreed, deadline_seconds=AGREE_SECONDS, description="sentinels agree")


class Watched:
    """A primary and a replica that three sentinels watch.

    Args:
        binary: The server's program.
        directory: For all of them.
        password: What the sentinels ask for.
    """

    def __init__(self, binary: Path, directory: Path, password: str | None = None) -> None:
        self._password = password
        self.servers = [self._server(binary, directory, n) for n in range(2)]
        watch = Watch(primary=Host(LOOPBACK, self.servers[0].port), password=password)
        self.sentinels = [SentinelProcess(binary, directory, watch) for _ in range(SENTINELS)]

    @staticmethod
    def _server(binary: Path, directory: Path, number: int) -> Server:
        own = directory / f"server-{number}"
        own.mkdir()
        return Server(binary, own, "always")

    @property
    def url(self) -> str:
        """The store's URL."""
        return write_address(
            Address(
                kind="sentinel",
                hosts=tuple(Host(LOOPBACK, sentinel.port) for sentinel in self.sentinels),
                service=SERVICE,
                sentinel_password=self._password,
            )
        )

    @property
    def primary(self) -> Server:
        """The server that the sentinels name now."""
        return next(server for server in self.servers if server.port == self.named_port())

    @property
    def replica(self) -> Server:
        """The other one."""
        return next(server for server in self.servers if server.port != self.named_port())

    def named_port(self) -> int:
        """Say where the sentinels see the primary."""
        for sentinel in self.sentinels:
            with suppress(RedisError, OSError):
                return int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
        raise AssertionError("no sentinel answers")

    def start(self) -> None:
        """Start all, and return when a failover could succeed."""
        for server in self.servers:
            server.start()
        self._follow()
        for sentinel in self.sentinels:
            sentinel.start()
        wait_until_agreed(self.sentinels)

    def stop(self) -> None:
        """End all."""
        for sentinel in self.sentinels:
            sentinel.stop()
        for server in self.servers:
            server.stop()

    def plan_failover(self) -> None:
        """Let the replica take over as an operator would plan it: nothing is written meanwhile."""
        with self.primary.client() as client:
            client.client_pause(PAUSE_MS, all=False)
        self.fail_over()

    def lose_primary(self) -> None:
        """Kill the primary; return when the replica is named in its place."""
        before = self.named_port()
        self.primary.kill()
        self.wait_until_moved(before)

    def fail_over(self) -> None:
        """Order the replica to take over; return when it is named."""
        before = self.named_port()
        self._ask_until_taken("SENTINEL", "FAILOVER", SERVICE)
        self.wait_until_moved(before)

    def wait_until_moved(self, before: int) -> None:
        """Return when every sentinel names another server than before."""

        def moved() -> bool:
            with suppress(RedisError, OSError):
                return all(
                    int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1]) != before
                    for sentinel in self.sentinels
                )
            return False

        wait_until_sync(moved, deadline_seconds=30, description="the replica has taken over")

    def _ask_until_taken(self, *words: str) -> None:
        def taken() -> bool:
            with suppress(RedisError, OSError):
                return bool(self.sentinels[0].ask(*words))
            return False

        wait_until_sync(taken, deadline_seconds=20, description="a sentinel takes the order")

    def _follow(self) -> None:
        primary, replica = self.servers
        with primary.client() as client:
            # Else it waits five seconds for more replicas.
            client.config_set("repl-diskless-sync-delay", 0)
        with replica.client() as client:
            client.config_set("repl-diskless-sync-delay", 0)
            client.replicaof(LOOPBACK, str(primary.port))
            wait_until_sync(
                lambda: client.info("replication").get("master_link_status") == "up",
                description="the replica follows",
            )
