"""A connection for blocking reads: its own, woken by CLIENT UNBLOCK, never cancelled.

A read that is cancelled after the server has answered leaves entries pending that nobody knows
of. So a blocked read is ended from outside, over another connection, and ends like any other.

Source: Redis CLIENT UNBLOCK.
"""

import asyncio
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from relay.contract.cluster import ClusterMoving, ClusterUnknown, at, learn, look, twin
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, connect, send_command
from relay.contract.wire import Wire

UNBLOCK_EVERY_SECONDS = 0.02


class BlockingConnection:
    """One connection that may block, to the one server that holds a key.

    Args:
        store: The URL; or a client whose connections are taken, which is not closed here.
        role: Seen in CLIENT LIST.
        block_seconds: The longest that one command blocks.
        key: In a cluster, all its commands are about keys of this one's slot.
    """

    def __init__(
        self, store: str | Redis, role: str, block_seconds: float, key: str | None = None
    ) -> None:
        self._is_own = isinstance(store, str)
        self._client = (
            connect(store, role=role, connections=1, block_seconds=block_seconds)
            if isinstance(store, str)
            else store
        )
        self._key = key or ""
        # The server of the last connection.
        self._node = self._client
        self._wire = Wire(self._node)
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
        """Connect; a connection that was lost is replaced by a new one, to who has the key now."""
        await self.close()
        node = await self._find()
        if node is not self._node:
            self._node, self._wire = node, Wire(node)
        try:
            await self._wire.open()
        except UNKNOWN_OUTCOME as error:
            learn(self._client, node, error)
            raise
        with suppress(ResponseError):  # not permitted: reads then end by their blocking time alone
            self._client_id = int(await self.execute("CLIENT", "ID"))

    async def execute(self, *command: str | float) -> Any:  # noqa: ANN401 - each has its own reply
        """Send a command and give its raw reply.

        Raises:
            ConnectionError: The connection is not open, or broke; what was asked may be done. Also
                where the key is in other hands by now: then nothing was done.
            TimeoutError: No reply within the blocking time and a margin.
        """
        if not self._wire.is_open:
            raise ConnectionError("not connected")
        self._busy = True
        try:
            (reply,) = await self._wire.exchange([command])
        except UNKNOWN_OUTCOME as error:
            learn(self._client, self._node, error)
            raise
        finally:
            self._busy = False
        if isinstance(reply, ResponseError):
            await self._refused(reply)
        return reply

    async def _refused(self, reply: ResponseError) -> None:
        if learn(self._client, self._node, reply):
            # Whoever has it now is asked over a new connection.
            await self.close()
            raise ClusterMoving("the key is elsewhere") from reply
        raise reply

    async def _find(self) -> Redis:
        """Give the client of the server that has the key now."""
        try:
            return at(self._client, self._key)
        except ClusterUnknown:
            await look(self._client)
            return at(self._client, self._key)

    async def unblock(self, redis: Redis) -> None:
        """End the command that blocks now, if one does.

        Args:
            redis: Another client, over which the server is told.
        """
        client_id = self._client_id
        while self._busy and client_id is not None and client_id == self._client_id:
            try:
                # In a cluster the number means a connection of that server only.
                if await send_command(twin(redis, self._node), "CLIENT", "UNBLOCK", client_id):
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
        if self._is_own:
            await self._client.aclose()
