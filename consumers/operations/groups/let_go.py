"""Lets go all that is pending in a group which is to be removed.

A script would do it in one step for each page, and take longer to look at what the server tells
than the server takes to tell and to let go. So a page is read here while the server lets the one
before it go, and neither command keeps the server for long.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from redis.asyncio import Redis

from consumers.operations.select import FIRST_ID, LAST_ID, behind
from relay.contract.ask import ABSENT
from relay.contract.cluster import at
from relay.contract.connect import ResponseError, text_of
from relay.contract.wire import Wire

PAGE = 2048


async def let_go(redis: Redis, key: str, group: str) -> AsyncGenerator[int, None]:
    """Let go what is pending, and give how many at a time.

    Broken off, it is gone on with by another: what was let go is not pending any more.

    Args:
        redis: Client with redis-py's retries off, and two connections.
        key: Of the stream.
        group: Whose; where it is gone there is nothing to let go.

    Raises:
        ResponseError: What stands at the key is no stream.
        RedisError, OSError: The store is away.
    """
    begin, letting_go = FIRST_ID, None
    server = at(redis, key)
    reading, settling = Wire(server), Wire(server)
    try:
        while True:
            ids = await _pending_from(reading, key, group, begin)
            if letting_go is not None:
                yield await letting_go
            letting_go = None
            if not ids:
                return
            letting_go = asyncio.create_task(_settle(settling, key, group, ids))
            begin = behind(text_of(ids[-1]))
    finally:
        if letting_go is not None:
            await asyncio.gather(letting_go, return_exceptions=True)
        await reading.close()
        await settling.close()


async def _pending_from(wire: Wire, key: str, group: str, begin: str) -> list[bytes]:
    (rows,) = await wire.exchange([("XPENDING", key, group, begin, LAST_ID, PAGE)])
    if isinstance(rows, ResponseError):
        if any(word in str(rows) for word in ABSENT):
            return []
        raise rows
    return [row[0] for row in rows]


async def _settle(wire: Wire, key: str, group: str, ids: Sequence[bytes]) -> int:
    (reply,) = await wire.exchange([("XACK", key, group, *ids)])
    if isinstance(reply, ResponseError):
        raise reply
    return int(reply)
