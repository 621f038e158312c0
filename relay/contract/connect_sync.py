"""How a thread of ours talks to the store, for what must not wait for the event loop.

The same URLs, and the same rules: nothing is sent twice in silence, and every wait has an end.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis import Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from relay.contract.address import Address, read_address, write_address
from relay.contract.cluster.threaded import ThreadedClusterRedis
from relay.contract.connect import connection_options
from relay.contract.following import LOOK_SECONDS
from relay.contract.sentinels import ASK_SECONDS


def connect_sync(
    url: str, *, timeout_seconds: float, on_connect: Callable[[], None] = lambda: None
) -> Redis:
    """Make a client that one thread uses.

    Args:
        url: Of one of the forms in `relay.contract.address.FORMS`.
        timeout_seconds: How long a connect, and a reply, may take.
        on_connect: Called after each connect; what answers then may be another server than before.

    Returns:
        An open client; the caller closes it.

    Raises:
        WrongAddress: The URL is none.
    """

    def greet(connection: Connection) -> None:
        connection.on_connect()  # type: ignore[no-untyped-call]
        on_connect()

    address = read_address(url)
    if address.kind == "cluster":
        return ThreadedClusterRedis(
            address.hosts,
            lambda host: connect_sync(
                write_address(address.at(host)),
                timeout_seconds=timeout_seconds,
                on_connect=on_connect,
            ),
        )
    options = connection_options(address) | {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "redis_connect_func": greet,
    }
    if address.kind == "sentinel":
        return _primary_of(address, options)
    # Closed with the client, as a pool that it is only lent would not be.
    return Redis.from_pool(ConnectionPool(connection_class=_kind_of(address), **options))


def _kind_of(address: Address) -> type[Any]:
    if address.kind == "unix":
        return UnixDomainSocketConnection
    return SSLConnection if address.tls else Connection


def _primary_of(address: Address, options: dict[str, Any]) -> Redis:
    """Make a client whose connections ask the sentinels."""
    asking = connection_options(address.as_sentinel(address.hosts[0])) | {
        "ssl": address.tls,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": ASK_SECONDS,
        "socket_connect_timeout": ASK_SECONDS,
    }
    del asking["host"], asking["port"]
    sentinels = Sentinel(address.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    return Redis(
        connection_pool=_AskingPool(  # type: ignore[no-untyped-call]
            address.service, sentinels, ssl=address.tls, **options
        )
    )


class _AskingPool(SentinelConnectionPool):
    """A pool that leaves a former primary though it still answers, as `FollowingPool` does.

    Here the one thread waits for the sentinels; none of their answers is needed to go on.
    """

    asked_at = 0.0

    def get_connection(self, *arguments: Any, **options: Any) -> Connection:  # noqa: ANN401
        now = time.monotonic()
        if now - self.asked_at >= LOOK_SECONDS:
            self.asked_at = now
            with suppress(RedisError):
                self.get_master_address()  # type: ignore[no-untyped-call]
        return super().get_connection(*arguments, **options)
