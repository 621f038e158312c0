"""What the heartbeat's thread does where one slot of a cluster has no server."""

from typing import Any, cast

import pytest
from redis import ConnectionPool, Redis
from redis.exceptions import ClusterDownError

from consumers.order.own import Grant, Ownership
from relay.contract.cluster import Host
from relay.contract.cluster.threaded import ThreadedClusterRedis
from tests.consumers.making import us


class Partly(ThreadedClusterRedis):
    """A client of a cluster in which some keys have no server.

    Args:
        unserved: Which.
    """

    def __init__(self, *unserved: str) -> None:
        server = cast("Redis", _Server())
        super().__init__([Host("a", 1)], lambda _: server)
        self._unserved = unserved

    def at(self, command: Any) -> Redis:
        """Give the one server."""
        del command
        return self._client(Host("a", 1))

    def execute_command(self, *args: Any, **_: Any) -> Any:
        """Renew what is asked for, or refuse it."""
        if args[3] in self._unserved:
            raise ClusterDownError("Hash slot not served")
        return [7, 0]


class _Server:
    connection_pool = ConnectionPool()


def test_a_slot_without_a_server_costs_no_ownership_of_another_stream() -> None:
    """Those behind it are renewed all the same, and the beat hears of it."""
    now = [1000.0]
    ownership = Ownership(us(cast("Any", None)), lambda: True, lambda: now[0])
    grants = {book: Grant(book, 7, lambda: now[0], 1000.0) for book in ("unserved", "served")}
    ownership._grants.update(grants)
    now[0] += 5.0
    with pytest.raises(ClusterDownError):
        ownership.renew(Partly("unserved"))

    assert {book: grant.renewed_at for book, grant in grants.items()} == {
        "unserved": 1000.0,
        "served": 1005.0,
    }
