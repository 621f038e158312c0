"""How a client of ours talks to the store.

A URL and a purpose come in, a client goes out; nothing is sent until it is used. Where sentinels
know the server, each connection asks them anew, so that reconnecting follows a failover.
redis-py's own silent retries are always off: a command sent twice may have run twice, and only
the caller knows whether that does harm.

Source: redis-py, "Retry" and "Connecting"; docs/adr/0003; docs/adr/0029.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from relay.contract.address import Address, Host, read_address
from relay.contract.cluster.client import ClusterRedis
from relay.contract.following import FollowingPool
from relay.contract.sentinels import ASK_SECONDS, Sentinels
from relay.contract.tls import read_tls

# The reply never came, so what was asked may have happened.
UNKNOWN_OUTCOME = (RedisConnectionError, RedisTimeoutError, OSError)

COMMAND_TIMEOUT_SECONDS = 2.0
CONNECT_TIMEOUT_SECONDS = 2.0
BLOCK_MARGIN_SECONDS = 5.0

__all__ = [
    "UNKNOWN_OUTCOME",
    "NoPermissionError",
    "OutOfMemoryError",
    "RedisError",
    "ResponseError",
    "connect",
    "connect_to",
    "connection_options",
    "is_of_replica",
    "no_retry",
    "place_of",
    "send_command",
    "text_of",
    "word_of",
]


def text_of(value: bytes | str) -> str:
    """Read a name that came from the store."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


async def send_command(redis: Redis, *parts: str | bytes | float) -> Any:  # noqa: ANN401 - whatever is replied
    """Send a command as it is and give its reply; redis-py leaves this call untyped."""
    return await redis.execute_command(*parts)


def word_of(error: BaseException) -> str:
    """Name a refusal by the store's own word for it, or by its kind; never by its message.

    redis-py takes the word away from some messages, and gives the error a kind of its own.
    """
    word = str(error).partition(" ")[0]
    return word if word.isalpha() and word.isupper() else type(error).__name__


def place_of(url: str) -> str:
    """Say where a URL leads and not who goes there, for logs: hosts and ports, or a path.

    Args:
        url: As the settings have it, so a good one.
    """
    return read_address(url).place


def is_of_replica(refusal: ResponseError) -> bool:
    """Tell whether a server refused since it is not the primary, or not any more."""
    if isinstance(refusal, ReadOnlyError | MasterDownError):
        return True
    # Redis 6.2 puts the place in the script before the word; the other ends a blocked command.
    return "-READONLY " in str(refusal) or str(refusal).startswith("UNBLOCKED ")


def no_retry() -> Retry:
    """A retry policy that never retries."""
    return Retry(NoBackoff(), 0)


def connect(
    url: str,
    *,
    role: str,
    connections: int = 2,
    block_seconds: float = 0.0,
    timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
) -> Redis:
    """Make a client for one purpose.

    Args:
        url: Of one of the forms in `relay.contract.address.FORMS`.
        role: What it is for; seen in CLIENT LIST.
        connections: At most this many at once. A client that blocks takes one for itself.
        block_seconds: The longest that a blocking command waits on the server.
        timeout_seconds: How long a reply may take beyond that. Never unbounded: a half-open
            connection would never be noticed.

    Returns:
        An open client; the caller closes it with ``aclose``.

    Raises:
        WrongAddress: The URL is none.
    """
    margin = BLOCK_MARGIN_SECONDS if block_seconds else timeout_seconds
    return connect_to(
        read_address(url),
        max_connections=connections,
        timeout=timeout_seconds,
        socket_timeout=block_seconds + margin,
        health_check_interval=0 if block_seconds else 10,
        client_name=f"relay:{role}:{socket.gethostname().split('.')[0]}:{os.getpid()}",
    )


def connect_to(address: Address, **options: Any) -> Redis:  # noqa: ANN401 - redis-py's own
    """Make a client of an address.

    Args:
        address: Of any kind.
        options: Of redis-py's pool and connections, beside those that every client of ours has;
            in a cluster each server's client has them.

    Returns:
        An open client, of a cluster one that leads each command to the server that has its key.
    """
    if address.kind == "cluster":
        return _connect_cluster(address, options)
    make_pool: Callable[..., BlockingConnectionPool] = BlockingConnectionPool
    if address.kind == "sentinel":
        make_pool = partial(FollowingPool, _sentinels_of(address))
    pool = make_pool(
        connection_class=_Telling.made_of(_kind_of(address)),
        protocol=2,  # no push messages between the replies
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=no_retry(),
        retry_on_error=[],
        **connection_options(address),
        **options,
    )
    return Redis.from_pool(pool)


def connection_options(address: Address) -> dict[str, Any]:
    """Give what redis-py's connections need of an address; its synchronous ones too.

    Raises:
        ValueError: It is a cluster's, so none of one connection; see `Address.at`.
    """
    if address.kind == "cluster":
        # Without a host redis-py would go to this machine in silence.
        raise ValueError("a cluster is many servers")
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.username,
        "password": address.password,
        **read_tls(dict(address.tls_options)),
    }
    if address.kind == "unix":
        return {**options, "path": address.path}
    if address.kind == "server":
        options |= address.hosts[0]._asdict()
        options["host"] = options.pop("name")
    # There is nothing to keep alive on a unix socket, and its connection does not take the option.
    return {**options, "socket_keepalive": True}


def _kind_of(address: Address) -> type[AbstractConnection]:
    if address.kind == "unix":
        return UnixDomainSocketConnection
    return SSLConnection if address.tls else Connection


def _sentinels_of(address: Address) -> Sentinels:
    def open_client(host: Host) -> Redis:
        return connect_to(address.as_sentinel(host), max_connections=1, socket_timeout=ASK_SECONDS)

    return Sentinels(address.hosts, address.service, open_client)


def _connect_cluster(address: Address, options: Mapping[str, Any]) -> ClusterRedis:
    # A question of ours takes no connection from those that commands wait for.
    asking = {**options, "max_connections": 1, "socket_timeout": COMMAND_TIMEOUT_SECONDS}
    return ClusterRedis(
        address.hosts,
        lambda host: connect_to(address.at(host), **options),
        lambda host: connect_to(address.at(host), **asking),
    )


class _Telling(AbstractConnection):
    """A connection that says that it is lost in one way, and writes without a task of its own.

    One that a replica answers is closed when it goes back to its pool, not before: the replies to
    the rest of a pipeline are still read. After a failover the primary may stand behind the same
    name, and nothing else would ever end a connection that works.

    Its name in CLIENT LIST is a help and no need: a user who may not set it is served without.

    uvloop answers a write to a connection that broke unseen with RuntimeError, which nobody takes
    for a lost connection: a worker's handler would end with it, and a delivery be answered 500.

    redis-py bounds a write by ``asyncio.wait_for``, which before Python 3.12 makes a task of it.
    That costs more than the write, and each command waits for two turns of the event loop.

    Source: https://github.com/MagicStack/uvloop/issues/506; Python 3.12, "What's New", asyncio
    """

    @staticmethod
    def made_of(kind: type[AbstractConnection]) -> type[AbstractConnection]:
        """Give a kind of connection that tells, made of one that may not."""
        return type(kind.__name__, (_Telling, kind), {})

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        name, self.client_name = self.client_name, None
        try:
            await super().on_connect_check_health(check_health)
        finally:
            self.client_name = name
        if name:
            await self.send_command("CLIENT", "SETNAME", name, check_health=False)
            with suppress(ResponseError):
                await self.read_response()

    async def read_response(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        try:
            return await super().read_response(*arguments, **options)
        except ResponseError as refusal:
            if is_of_replica(refusal):
                self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
    ) -> None:
        limit_seconds, self.socket_timeout = self.socket_timeout, None
        try:
            if limit_seconds is None:  # whoever sends has a limit for the whole exchange
                await super().send_packed_command(command, check_health)
                return
            async with asyncio.timeout(limit_seconds):
                await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise RedisConnectionError("the connection broke before it was written to") from error
        except TimeoutError:
            raise RedisTimeoutError("the store did not take what was written to it") from None
        finally:
            self.socket_timeout = limit_seconds
