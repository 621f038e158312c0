"""A connection for blocking reads: its own, woken by CLIENT UNBLOCK, never cancelled.

A read that is cancelled after the server has answered leaves entries pending that nobody knows
of. So a blocked read is ended from outside, over another connection, and ends like any other.

Source: Redis CLIENT UNBLOCK.
"""

import asyncio
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, connect, send_command
from relay.contract.wire import Wire

UNBLOCK_EVERY_SECONDS = 0.02


class BlockingConnection:
    """One connection that may block.

    Args:
        url: The store.
        role: Seen in CLIENT LIST.
        block_seconds: The longest that one command blocks.
    """

    def __init__(self, url: str, role: str, block_seconds: float) -> None:
        self._client = connect(url, role=role, connections=1, block_seconds=block_seconds)
        self._wire = Wire(self._client)
        self._client_id: int | None = None
        self._busy = False

    @property
    def is_open(self) -> bool:
        """Whether the connection of the last command still stands."""
        return self._wire.is_open

    @property
    def is_busy(self) -> bool:
        """Whether a command was sent that is not answered yet."""
        return self._busy

    async def open(self) -> None:
        """Connect; a connection that was lost is replaced by a new one."""
        await self.close()
        await self._wire.open()
        with suppress(ResponseError):  # not permitted: reads then end by their blocking time alone
            self._client_id = int(await self.execute("CLIENT", "ID"))

    async def execute(self, *command: str | float) -> Any:  # noqa: ANN401 - each has its own reply
        """Send a command and give its raw reply.

        Raises:
            ConnectionError: The connection is not open, or broke; what was asked may be done.
            TimeoutError: No reply within the blocking time and a margin.
        """
        if not self._wire.is_open:
            raise ConnectionError("not connected")
        self._busy = True
        try:
            (reply,) = await self._wire.exchange([command])
        finally:
            self._busy = False
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    async def unblock(self, redis: Redis) -> None:
        """End the command that blocks now, if one does.

        Args:
            redis: Another client, over which the server is told.
        """
        client_id = self._client_id
        while self._busy and client_id is not None and client_id == self._client_id:
            try:
                if await send_command(redis, "CLIENT", "UNBLOCK", client_id):
                    return
            except (*UNKNOWN_OUTCOME, ResponseError):
                return  # the store is away, or does not permit it; the read ends by itself
            # Not blocked yet, or its reply is on the way.
            await asyncio.sleep(UNBLOCK_EVERY_SECONDS)

    async def close(self) -> None:
        """Give the connection up; may be called twice."""
        self._client_id = None
        await self._wire.close()

    async def aclose(self) -> None:
        """Close it for good."""
        await self.close()
        await self._client.aclose()
