"""Connections that are to the primary, wherever the sentinels say that it is.

Each connect asks them, so whoever reconnects follows a failover. That is not enough: a primary
that was replaced while it ran goes on taking writes for seconds, until a sentinel makes a replica
of it, and all of them are lost. So while there is traffic they are asked each second too, beside
it, and connections to a former primary are given up before they are used again.

Source: Redis, "Sentinel client spec" and "High availability with Redis Sentinel"; docs/adr/0029.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from weakref import WeakSet

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection, Connection
from redis.exceptions import NoPermissionError, RedisError

from relay.contract.address import Host
from relay.contract.sentinels import ASK_SECONDS, NoPrimary, Sentinels

LOOK_SECONDS = 1.0


class Lookout:
    """Notices that the primary has moved while connections to the former one still work.

    Args:
        sentinels: Asked.
        clock: Monotonic seconds.
    """

    def __init__(self, sentinels: Sentinels, clock: Callable[[], float] = time.monotonic) -> None:
        self.sentinels = sentinels
        self.connections: WeakSet[_Following] = WeakSet()
        self._clock = clock
        self._next_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin to compare, where the last time is a while ago; never waits."""
        now = self._clock()
        if now >= self._next_at and self._looking is None:
            self._next_at = now + LOOK_SECONDS
            self._looking = asyncio.create_task(self._compare(), name="look-for-primary")

    async def stop(self) -> None:
        """Compare no more, until there is traffic again."""
        looking, self._looking = self._looking, None
        if looking is not None:
            # Most likely it ends now.
            await asyncio.wait([looking], timeout=ASK_SECONDS)
            looking.cancel()
            await asyncio.wait([looking])
        await self.sentinels.closing.ended()

    async def _compare(self) -> None:
        try:
            primary = await self.sentinels.primary()
        except NoPrimary:
            return  # as long as the server answers, nothing is amiss
        finally:
            self._looking = None
        for connection in self.connections:
            if (connection.host, connection.port) != primary:
                connection.mark_for_reconnect()  # type: ignore[no-untyped-call]


class FollowingPool(BlockingConnectionPool):
    """A pool of connections to the primary.

    Args:
        sentinels: Know the primary.
        connection_class: A kind of connection to a host and a port.
        options: Of `BlockingConnectionPool`.
    """

    def __init__(
        self,
        sentinels: Sentinels,
        connection_class: type[AbstractConnection],
        **options: Any,  # noqa: ANN401 - redis-py's own
    ) -> None:
        self._lookout = Lookout(sentinels)
        super().__init__(connection_class=following(connection_class, self._lookout), **options)

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Close the connections, and look for the primary no more."""
        await self._lookout.stop()
        await super().disconnect(inuse_connections)


def following(kind: type[AbstractConnection], lookout: Lookout) -> type[AbstractConnection]:
    """Give a kind of connection that goes where the sentinels say.

    Args:
        kind: A connection to a host and a port.
        lookout: Has the sentinels, and learns of every connection.
    """
    return type(kind.__name__, (_Following, kind), {"lookout": lookout})


class _Following(Connection):
    """A connection that is to the primary, or not at all."""

    lookout: Lookout

    async def connect(self) -> None:
        # The pool asks for it before each use; by itself it looks only at what comes back.
        if self.should_reconnect():  # type: ignore[no-untyped-call]
            await self.disconnect()
        await super().connect()  # type: ignore[no-untyped-call]

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
    ) -> None:
        self.lookout.look()
        await super().send_packed_command(command, check_health)

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        await super().on_connect_check_health(check_health)
        await self._or_doubt(self._insist_on_primary)

    async def _connect(self) -> None:
        self.host, self.port = await self.lookout.sentinels.primary()
        await self._or_doubt(super()._connect)
        self.lookout.connections.add(self)

    async def _insist_on_primary(self) -> None:
        await self.send_command("ROLE", check_health=False)
        try:
            role = await self.read_response()
        except NoPermissionError:
            return  # its first refusal of a write will tell
        if role[0] != b"master":
            host = Host(self.host, self.port)
            raise NoPrimary(f"{host} is no primary, though a sentinel says so")

    async def _or_doubt(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except (RedisError, OSError):
            self.lookout.sentinels.doubt()
            raise
