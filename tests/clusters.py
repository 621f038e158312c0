"""Clusters for tests: one server with all slots, and six of which three have copies.

Made by commands of ours: not every machine has redis-cli. Servers listen on free loopback ports,
their bus beside it, and are ended by their process id.

Source: Redis CLUSTER ADDSLOTSRANGE, CLUSTER MEET, CLUSTER REPLICATE, CLUSTER SETSLOT, MIGRATE.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.permanent import keys_without_end
from tests.servers import Durability, Server, free_port, wait_until_sync

SLOTS = 16_384
# How long a primary may be silent before it is given up.
NODE_TIMEOUT_MS = 1500
FORM_SECONDS = 30.0


class Node(Server):
    """One server of a cluster.

    Args:
        given: What every server of a test is given.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._bus_port = free_port()
        self.is_asleep = False

    def fall_asleep(self) -> None:
        """Stop it from running, connections kept open."""
        super().fall_asleep()
        self.is_asleep = True

    def wake_up(self) -> None:
        """Let it run on."""
        super().wake_up()
        self.is_asleep = False

    @property
    def address(self) -> str:
        """Host and port, as redirections say it."""
        return f"127.0.0.1:{self.port}"

    @property
    def own_url(self) -> str:
        """Where this server alone is reached; `url` may lead to the whole cluster."""
        return f"redis://{self.address}/0"

    def ask(self, *command: str | float) -> Any:
        """Send one command, and give its reply."""
        with self.client() as client:
            return client.execute_command(*command)

    def meet(self, other: "Node") -> None:
        """Make one cluster of both."""
        self.ask("CLUSTER", "MEET", "127.0.0.1", other.port, other._bus_port)

    def own_id(self) -> str:
        """Give the name that it has in its cluster."""
        return _text(self.ask("CLUSTER", "MYID"))

    def keys_without_end(self) -> list[str]:
        """List the keys that nothing will ever remove."""
        with self.client() as client:
            return keys_without_end(client)

    def is_primary(self) -> bool:
        """Tell whether it takes writes, by its own word."""
        return _text(self.ask("ROLE")[0]) == "master"

    def _command(self) -> list[str]:
        options = {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "cluster-port": str(self._bus_port),
            # One dead primary must not stop the others.
            "cluster-require-full-coverage": "no",
            "cluster-replica-validity-factor": "0",
            # A copy begins at once, and not when more may have asked for one.
            "repl-diskless-sync-delay": "0",
            # A replica is told of when it has got something, if only this.
            "repl-ping-replica-period": "1",
            "cluster-announce-ip": "127.0.0.1",
        }
        pairs = ((f"--{name}", value) for name, value in options.items())
        return [*super()._command(), *(word for pair in pairs for word in pair)]


class LoneCluster(Node):
    """A cluster of one server with all slots: any command across slots is refused."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.url = f"redis+cluster://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when all slots are served."""
        super().start()
        if not self.ask("CLUSTER", "SLOTS"):
            _add_slots(self, 0, SLOTS - 1)
        _wait_until_served([self])


class SixNodes:
    """Three primaries with a third of the slots each, and a replica of each.

    Args:
        binary: The program.
        directory: Where each has one of its own.
        durability: When they write to disk.
    """

    def __init__(self, binary: Path, directory: Path, durability: Durability = "none") -> None:
        self.nodes: list[Node] = []
        for number in range(6):
            own = directory / str(number)
            own.mkdir()
            self.nodes.append(Node(binary, own, durability))

    @property
    def url(self) -> str:
        """Where the cluster is: three of its servers."""
        return "redis+cluster://" + ",".join(node.address for node in self.nodes[::2])

    @property
    def running(self) -> list[Node]:
        """Give those that were not killed, and are awake."""
        return [node for node in self.nodes if node.is_running and not node.is_asleep]

    def start(self) -> None:
        """Start all, and return when every slot is served and every primary has its copy."""
        with ExitStack() as failing:
            failing.callback(self.stop)
            for node in self.nodes:
                node.begin()
            for node in self.nodes:
                node.wait()
            self._join()
            failing.pop_all()

    def stop(self) -> None:
        """End all."""
        for node in self.nodes:
            node.stop()

    @property
    def primaries(self) -> list[Node]:
        """Give those that run and take writes."""
        return [node for node in self.running if node.is_primary()]

    def mend(self) -> None:
        """Start what was killed, and return when every primary has its copy again."""
        for node in self.nodes:
            if not node.is_running:
                node.start()
        self._wait_until_whole()

    def clear(self) -> None:
        """Empty all, and forget every script."""
        for node in self.primaries:
            node.ask("FLUSHALL")
            node.ask("SCRIPT", "FLUSH")

    def slot_of(self, key: str) -> int:
        """Say in which slot a key is, as the servers do."""
        return int(self.running[0].ask("CLUSTER", "KEYSLOT", key))

    def owner(self, slot: int) -> Node:
        """Give the running server that takes the writes of a slot, as most say."""
        for first, last, primary, *_ in self.running[0].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == int(primary[1]))
        raise AssertionError(f"nobody has slot {slot}")

    def replica_of(self, primary: Node) -> Node:
        """Give the server that has a primary's copy."""
        for _, _, first, *others in self.running[0].ask("CLUSTER", "SLOTS"):
            if int(first[1]) == primary.port and others:
                return next(node for node in self.nodes if node.port == int(others[0][1]))
        raise AssertionError("it has no replica")

    def begin_move(self, slot: int, goal: Node) -> Node:
        """Have a slot on the move, and give the server that it leaves."""
        source = self.owner(slot)
        goal.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.own_id())
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", goal.own_id())
        return source

    @staticmethod
    def move_keys(slot: int, source: Node, goal: Node, *, count: int = 10) -> int:
        """Carry some keys of a slot over, and say how many went."""
        keys: Any = source.ask("CLUSTER", "GETKEYSINSLOT", slot, count)
        if keys:
            source.ask("MIGRATE", "127.0.0.1", goal.port, "", 0, 5000, "KEYS", *keys)
        return len(keys)

    def end_move(self, slot: int, goal: Node) -> None:
        """Have the slot belong to its new server."""
        own_id = goal.own_id()
        for node in (goal, *(node for node in self.primaries if node is not goal)):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", own_id)

    def _join(self) -> None:
        first, *others = self.nodes
        third = SLOTS // 3
        for number, node in enumerate(self.nodes[:3]):
            last = SLOTS - 1 if number == 2 else third * (number + 1) - 1
            _add_slots(node, third * number, last)
        # Each with an epoch of its own: else two of them fight it out first.
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for other in others:
            first.meet(other)
        wait_until_sync(
            lambda: all(_knows(node, len(self.nodes)) for node in self.nodes),
            deadline_seconds=FORM_SECONDS,
            description="every server knows every other",
        )
        for primary, replica in zip(self.nodes[:3], self.nodes[3:], strict=True):
            replica.ask("CLUSTER", "REPLICATE", primary.own_id())
        self._wait_until_whole()

    def _wait_until_whole(self) -> None:
        _wait_until_served(self.nodes)
        wait_until_sync(
            lambda: (
                # First of all: who has just woken up may still have its primary's place voted for.
                all(map(_doubts_nobody, self.nodes))
                and len(self.primaries) == 3
                and all(map(_has_replica, self.primaries))
                and all(map(_knows_replicas, self.nodes))
            ),
            deadline_seconds=FORM_SECONDS,
            description="every primary has its replica",
        )


@contextmanager
def six_nodes(binary: Path, directory: Path, durability: Durability = "none") -> Iterator[SixNodes]:
    """Have a cluster of six within the block."""
    cluster = SixNodes(binary, directory, durability)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


def _add_slots(node: Node, first: int, last: int) -> None:
    # In one command; ADDSLOTSRANGE came with Redis 7.
    node.ask("CLUSTER", "ADDSLOTS", *range(first, last + 1))


def _knows(node: Node, count: int) -> bool:
    lines = _text(node.ask("CLUSTER", "NODES")).strip().splitlines()
    return len(lines) == count and not any("handshake" in line for line in lines)


def _doubts_nobody(node: Node) -> bool:
    return "fail" not in _text(node.ask("CLUSTER", "NODES"))


def _has_replica(node: Node) -> bool:
    with node.client() as client:
        facts: Any = client.info("replication")
    return bool(facts.get("connected_slaves")) and facts.get("slave0", {}).get("state") == "online"


def _knows_replicas(node: Node) -> bool:
    return all(len(servers) == 2 for _, _, *servers in node.ask("CLUSTER", "SLOTS"))


def _wait_until_served(nodes: list[Node]) -> None:
    wait_until_sync(
        lambda: all(_is_served(node) for node in nodes),
        deadline_seconds=FORM_SECONDS,
        description="all slots are served",
    )


def _is_served(node: Node) -> bool:
    raw, ranges = node.ask("CLUSTER", "INFO"), node.ask("CLUSTER", "SLOTS")
    covered = sum(last - first + 1 for first, last, *_ in ranges)
    return "cluster_state:ok" in _text(raw) and covered == SLOTS


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
