"""Sends packed commands over one connection of a client's pool, and reads their replies.

redis-py packs commands in Python and takes a connection from its pool for each call; with many
calls a second that costs more than the call. Connecting stays redis-py's: TLS, users, timeouts
and, behind the same pool, finding the server.

Source: redis-py, `Connection.send_packed_command` and `read_response`; docs/adr/0014.
"""

from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from relay.contract.connect import ResponseError

Command = tuple[str | bytes | int | float, ...]


class Wire:
    """One connection, kept until it fails.

    Not for two at a time: whoever exchanges waits for the replies before the next exchange.

    Args:
        redis: The client whose pool it is taken from.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._connection: AbstractConnection | None = None

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one go and read all replies.

        Returns:
            A reply for each; a `ResponseError` where the store refused.

        Raises:
            RedisError: The connection failed, so what was asked may have happened.
            OSError: The same.
        """
        packed = b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]
        try:
            connection = self._connection or await self._connect()
            await connection.send_packed_command(packed, check_health=False)
            return [await _reply(connection) for _ in commands]
        except BaseException:
            # A late reply would be taken for the next command's.
            await self.close()
            raise

    async def close(self) -> None:
        """Give the connection up; the next exchange takes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._redis.connection_pool.release(connection)

    async def _connect(self) -> AbstractConnection:
        pool = self._redis.connection_pool
        self._connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        return self._connection


async def _reply(connection: AbstractConnection) -> Any:  # noqa: ANN401 - each command has its own
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal
