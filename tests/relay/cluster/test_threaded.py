"""Where a heartbeat's client asks, when those whom it has asked are away or know no better."""

from typing import Any, cast

import pytest
from redis import ConnectionPool, Redis
from redis.exceptions import ClusterDownError, MovedError
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.contract.cluster import Host, slot_of_key
from relay.contract.cluster.slots import SLOTS
from relay.contract.cluster.threaded import ThreadedClusterRedis

A, B, C = Host("a", 1), Host("b", 2), Host("c", 3)
KEY = "key"


class Node:
    """One server, which says what a test wants.

    Args:
        host: Where it is.
        primary: Who has all slots, as it says.
        replica: Who has a copy, as it says.
    """

    def __init__(self, host: Host, primary: Host, replica: Host) -> None:
        self.connection_pool = ConnectionPool(host=host.name, port=host.port)
        self.name = host.name
        self.primary, self.replica = primary, replica
        # What it says to every command but the question where the slots are.
        self.trouble: Exception | None = None
        self.is_away = False

    def execute_command(self, *command: Any, **_: Any) -> Any:
        """Answer one command."""
        if self.is_away:
            raise RedisConnectionError
        if command == ("CLUSTER", "SLOTS"):
            servers = ([host.name.encode(), host.port] for host in (self.primary, self.replica))
            return [[0, SLOTS - 1, *servers]]
        if self.trouble is not None:
            raise self.trouble
        return self.name


class Three:
    """Three servers, of which the first has all slots, and a client that knows the first."""

    def __init__(self) -> None:
        self.nodes = {host: Node(host, A, B) for host in (A, B, C)}
        self.client = ThreadedClusterRedis([A], lambda host: cast("Redis", self.nodes[host]))

    def promote(self, host: Host, *asked: Host) -> None:
        """Have a server be the primary, as these say."""
        for each in asked:
            self.nodes[each].primary = host


def test_a_replica_that_no_seed_names_is_found_when_its_primary_is_gone() -> None:
    """It was told of once, and is the only one that is left."""
    three = Three()
    three.client.get(KEY)
    three.promote(B, B)
    three.nodes[A].is_away = three.nodes[B].is_away = True
    for _ in range(2):  # also after it was looked for in vain
        with pytest.raises(RedisConnectionError):
            three.client.get(KEY)
    three.nodes[B].is_away = False

    assert three.client.get(KEY) == "b"


def test_who_is_named_as_a_key_s_owner_is_asked_first() -> None:
    """Who said where it was may go on saying so."""
    three = Three()
    three.client.get(KEY)
    three.nodes[A].trouble = MovedError(f"{slot_of_key(KEY)} c:3")
    three.promote(C, C)

    assert three.client.get(KEY) == "c"


def test_a_server_that_is_cut_off_is_not_believed_before_the_others() -> None:
    """It goes on saying that the slots are its own, and takes no command."""
    three = Three()
    three.client.get(KEY)
    three.nodes[A].trouble = ClusterDownError("The cluster is down")
    three.promote(B, B)
    with pytest.raises(ClusterDownError):
        three.client.get(KEY)

    assert three.client.get(KEY) == "b"
