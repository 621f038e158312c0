"""How a client of ours talks to the store.

A URL and a purpose come in, a client goes out; nothing is sent until it is used. redis-py's own
silent retries are always off: a command sent twice may have run twice, and only the caller knows
whether that does harm.

Source: redis-py, "Retry" and "Connecting"; docs/adr/0003.
"""

import asyncio
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
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

from relay.contract.address import read_address

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
    "no_retry",
    "place_of",
    "send_command",
    "text_of",
]


def text_of(value: bytes | str) -> str:
    """Read a name that came from the store."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


async def send_command(redis: Redis, *parts: str | bytes | float) -> Any:  # noqa: ANN401
    """Send a command as it is and give its reply; redis-py leaves this call untyped."""
    return await redis.execute_command(*parts)  # type: ignore[no-untyped-call]


def place_of(url: str) -> str:
    """Say where a URL leads and not who goes there, for logs: hosts and ports, or a path.

    Args:
        url: As the settings have it, so a good one.
    """
    return read_address(url).place


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
        url: ``redis://``, ``rediss://`` or ``unix://``.
        role: What it is for; seen in CLIENT LIST.
        connections: At most this many at once. A client that blocks takes one for itself.
        block_seconds: The longest that a blocking command waits on the server.
        timeout_seconds: How long a reply may take beyond that. Never unbounded: a half-open
            connection would never be noticed.

    Returns:
        An open client; the caller closes it with ``aclose``.

    Raises:
        ValueError: The URL is not one that redis-py knows.
    """
    margin = BLOCK_MARGIN_SECONDS if block_seconds else timeout_seconds
    # There is nothing to keep alive on a unix socket, and its connection does not take the option.
    network = {} if url.startswith("unix://") else {"socket_keepalive": True}
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout_seconds,
        protocol=2,  # no push messages between the replies
        socket_timeout=block_seconds + margin,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        **network,
        health_check_interval=0 if block_seconds else 10,
        retry=no_retry(),
        retry_on_error=[],
        client_name=f"relay:{role}:{socket.gethostname().split('.')[0]}:{os.getpid()}",
    )
    pool.connection_class = _Telling.made_of(pool.connection_class)
    return Redis.from_pool(pool)


class _Telling(AbstractConnection):
    """A connection that says that it is lost in one way, and writes without a task of its own.

    One that a replica answers is given up when it goes back to its pool: after a failover the
    primary may stand behind the same address, and nothing else ends a connection that works.

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

    async def read_response(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's
        try:
            return await super().read_response(*arguments, **options)
        except (ReadOnlyError, MasterDownError):
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
