"""Sends packed commands over one connection of a client's pool, and reads their replies.

redis-py packs commands in Python, takes a connection from its pool for each call, and sets a
timer for each write and each read; with many calls a second that costs more than the call.
Connecting stays redis-py's: TLS, users, timeouts and, behind the same pool, finding the server.

Source: redis-py, `Connection.send_packed_command` and `read_response`; docs/adr/0014.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.contract.connect import COMMAND_TIMEOUT_SECONDS, ResponseError
from relay.contract.deadline import Deadlines

Command = tuple[str | bytes | int | float, ...]


class Wire:
    """One connection, kept until it fails.

    Not for two at a time: whoever exchanges waits for the replies before the next exchange. One
    exchange may take as long as redis-py would let one reply take.

    Args:
        redis: The client whose pool it is taken from.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._connection: AbstractConnection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deadlines = Deadlines(COMMAND_TIMEOUT_SECONDS)
        # What the connection had for itself.
        self._timeout_seconds: float | None = None
        self._check_seconds = 0.0

    @property
    def limit_seconds(self) -> float:
        """How long an exchange may take, as far as is known before there was one."""
        return self._deadlines.limit_seconds

    @property
    def is_open(self) -> bool:
        """Whether the connection of the last exchange still stands."""
        return self._connection is not None and self._connection.is_connected

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one go and read all replies.

        Returns:
            A reply for each; a `ResponseError` where the store refused.

        Raises:
            RedisError: The connection failed, so what was asked may have happened.
            OSError: The same; a `TimeoutError` where the replies did not come in time.
        """
        packed = b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]
        try:
            connection = self._standing()
            if connection is None:
                connection = await self.open()
            with self._deadlines.of(self._task()):
                await connection.send_packed_command(packed, check_health=False)
                replies = [await _reply(connection) for _ in commands]
        except BaseException:
            # A late reply would be taken for the next command's.
            await self.close()
            raise
        if connection.should_reconnect():
            # A replica stands there now; the next exchange looks for the primary.
            await self.close()
        return replies

    async def go_on(self, commands: Sequence[Command]) -> list[Any]:
        """Exchange over the connection of the last exchange, or not at all.

        For what means something only there: another connection may lead to another server.

        Raises:
            RedisError, OSError: As `exchange`; also where that connection is lost.
        """
        if self._standing() is None:
            raise RedisConnectionError("the connection of the last exchange is lost")
        return await self.exchange(commands)

    async def open(self) -> AbstractConnection:
        """Take a connection that stands; an exchange does it where there is none.

        Raises:
            RedisError, OSError: The store is away, or lets nobody in.
        """
        await self.close()
        pool = self._redis.connection_pool
        connection: AbstractConnection = await pool.get_connection()
        self._timeout_seconds, connection.socket_timeout = connection.socket_timeout, None
        self._check_seconds, connection.health_check_interval = connection.health_check_interval, 0
        self._deadlines.limit_seconds = self._timeout_seconds or COMMAND_TIMEOUT_SECONDS
        self._connection = connection
        return connection

    async def close(self) -> None:
        """Give the connection up; may be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            connection.socket_timeout = self._timeout_seconds
            connection.health_check_interval = self._check_seconds
            await self._redis.connection_pool.release(connection)

    def _standing(self) -> AbstractConnection | None:
        """Give the connection of the last exchange, if another one may go over it."""
        connection = self._connection
        if connection is None or not connection.is_connected:
            return None
        return None if connection.should_reconnect() else connection

    def _task(self) -> asyncio.Task[Any]:
        # Asking for the loop is a system call before Python 3.12.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "an exchange is awaited by a task"  # noqa: S101
        return task


async def _reply(connection: AbstractConnection) -> Any:  # noqa: ANN401 - each command has its own
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal
