"""Stores events over one connection and has replicas confirm them before anybody is told.

WAIT covers what its own connection wrote, and nothing else. An event that another connection has
stored is a duplicate here, and nothing is written: newer servers then answer at once, although no
replica may have that event. So whenever there was a duplicate the fence is written and waited for:
replicas take writes in their order, and whoever has the fence has all that came before it. The
fence goes over the connection that has found the duplicate: another may lead to another server.

Source: Redis WAIT; docs/adr/0025.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from relay.append.script import SCRIPT
from relay.contract.connect import ResponseError
from relay.contract.keys import Keys
from relay.contract.script import Call, Script
from relay.contract.wire import Command, Wire

FENCE = Script("relay.append", "fence")

# Longer than any wait; it only must not stay behind when an endpoint goes.
FENCE_KEPT_MS = 86_400_000
# The server looks at the clients that wait ten times a second, and its answer takes its way.
MARGIN_SECONDS = 0.2
PROBE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store said of some script calls.

    Args:
        replies: One for each call; an exception where the store refused.
        replicas: How many are known to have all of it.
        is_confirmed: Those are as many as must have it.
    """

    replies: list[Any]
    replicas: int = 0
    is_confirmed: bool = True


class Confirming:
    """Stores over one connection, and knows how many replicas have what was stored.

    Replicas are those of the server at the connection's other end, so where there are several
    such servers each has one of these.

    Args:
        wire: The connection. Nobody else may use it: the wait is for what it wrote.
        keys: Makes the fences' keys.
        replicas: How many must have an event, 1 or more.
    """

    def __init__(self, wire: Wire, keys: Keys, replicas: int) -> None:
        self._wire = wire
        self._keys = keys
        self._wanted = replicas

    async def store(self, calls: Mapping[str, Call], ends_at: float) -> Stored:
        """Make the script calls, and wait for the replicas.

        Args:
            calls: The call of each tag.
            ends_at: Until when to wait, in the loop's time.

        Returns:
            The replies in the order of the tags, and how many replicas have what they speak of.

        Raises:
            RedisError, OSError: The connection failed, so what was asked may have happened.
        """
        *replies, replicas = await SCRIPT.over(
            self._wire, list(calls.values()), then=[self._wait(ends_at)]
        )
        repeated = [tag for tag, reply in zip(calls, replies, strict=True) if _has_duplicate(reply)]
        if repeated and _count(replicas) >= self._wanted:
            replicas = await self._pass_fence(repeated, ends_at)
        count = _count(replicas)
        return Stored(replies, count, count >= self._wanted)

    async def _pass_fence(self, tags: list[str], ends_at: float) -> object:
        fences: list[Call] = [([self._keys.fence(tag)], [FENCE_KEPT_MS]) for tag in tags]
        *written, replicas = await FENCE.over(
            self._wire, fences, [self._wait(ends_at)], goes_on=True
        )
        return next((reply for reply in written if isinstance(reply, Exception)), replicas)

    def _wait(self, ends_at: float) -> Command:
        """Give the command whose answer comes before the exchange would be given up."""
        limit = self._wire.limit_seconds
        left = ends_at - asyncio.get_running_loop().time()
        seconds = min(left, max(limit / 2, limit - MARGIN_SECONDS))
        # 0 would mean without end.
        return ("WAIT", self._wanted, max(1, int(1000 * seconds)))


async def probe_replicas(redis: Redis, fence: str, replicas: int) -> None:
    """See whether as many replicas as are wanted would confirm an event now.

    Args:
        redis: Client of the server whose replicas are meant.
        fence: The key of one that is on that server.
        replicas: How many.

    Raises:
        RedisError: They would not, or the store is away.
    """
    await _pass(redis, fence, replicas, [])


async def read_confirmed(redis: Redis, fence: str, replicas: int, command: Command) -> Any:  # noqa: ANN401 - the command's own
    """Read what the store has, and see that replicas have all of it.

    Args:
        redis: Client of the server whose replicas are meant.
        fence: Its key; of the same tag as what is read.
        replicas: How many.
        command: Reads.

    Returns:
        The command's reply.

    Raises:
        RedisError: They have not got it, or the store is away.
    """
    (reply,) = await _pass(redis, fence, replicas, [command])
    return reply


async def _pass(redis: Redis, fence: str, replicas: int, first: list[Command]) -> list[Any]:
    # One connection takes all of it: another may lead to another server, or its write be waited
    # for by nobody.
    pipeline = redis.pipeline(transaction=False)
    for command in first:
        pipeline.execute_command(*command)
    pipeline.execute_command("EVAL", FENCE.text, 1, fence, FENCE_KEPT_MS)
    pipeline.execute_command("WAIT", replicas, int(1000 * PROBE_SECONDS))
    *replies, _, confirmed = await pipeline.execute()
    if confirmed < replicas:
        raise ResponseError(f"{confirmed} of {replicas} replicas confirm")
    return replies


def _count(reply: object) -> int:
    """Read what WAIT says; where it is refused nothing is known of any replica."""
    return reply if isinstance(reply, int) else 0


def _has_duplicate(reply: Any) -> bool:  # noqa: ANN401 - verdicts, or an exception
    return isinstance(reply, list) and any(verdict[:1] in b"DC" for verdict in reply)
