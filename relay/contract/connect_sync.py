"""How a thread of ours talks to the store, for what must not wait for the event loop.

The same URLs, and the same rules: nothing is sent twice in silence, and every wait has an end.
"""

import threading
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
        connection.on_connect()
        on_connect()

    # Pools are closed with the client, as those that it is only lent would not be: `from_pool`.
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
    sentinels = Sentinel(address.hosts, sentinel_kwargs=asking)
    return Redis.from_pool(
        _AskingPool(  # type: ignore[no-untyped-call]
            address.service, sentinels, ssl=address.tls, **options
        )
    )


class _AskingPool(SentinelConnectionPool):
    """A pool that leaves a former primary though it still answers, as `FollowingPool` does.

    The sentinels are asked beside the one thread that uses it, which waits for a moment: where they
    are silent, or their names are not resolved, all of them together can take longer than a process
    counts as alive that does not beat, and the primary may be well.
    """

    asked_at = 0.0
    asking: threading.Thread | None = None

    def get_connection(self, *arguments: Any, **options: Any) -> Connection:  # noqa: ANN401 - redis-py's signature
        now = time.monotonic()
        is_asking = self.asking is not None and self.asking.is_alive()
        if now - self.asked_at >= LOOK_SECONDS and not is_asking:
            self.asked_at = now
            self.asking = threading.Thread(target=self._ask, name="look-for-primary", daemon=True)
            self.asking.start()
            self.asking.join(ASK_SECONDS)
        return super().get_connection(*arguments, **options)

    def _ask(self) -> None:
        # None of their answers is needed to go on.
        with suppress(RedisError, OSError):
            self.get_master_address()  # type: ignore[no-untyped-call]
