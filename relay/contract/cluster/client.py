"""A client of a cluster with the face of a client of one server.

Each command goes to the server that has its key, and follows the key where it has moved. A
command that was perhaps done is never sent again here: only its caller knows if that does harm.

Source: Redis Cluster specification, "Redirection and resharding".
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import AskError, MovedError, RedisClusterException, ResponseError

from relay.contract.address import Host
from relay.contract.cluster.errors import LOST, REDIRECTED, ClusterMoving
from relay.contract.cluster.slots import PARTIAL, name_of, slot_of
from relay.contract.cluster.topology import Connect, Topology

# How long to wait before each further try, in seconds, where waiting is what helps. A slot that
# moves refuses a script until all of its keys have gone over; that may take longer.
PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.2, 0.2, 0.2)

# A command with redis-py's options for its reply.
Stacked = tuple[Sequence[Any], Mapping[str, Any]]
# Where to send a command next: to who is said to have it, or for once to somebody else (ASK).
_Goal = tuple[Redis, bool]


class ClusterRedis(Redis):
    """Sends each command to the server that holds its first key.

    Commands without a key go to any primary, but for those that each server answers for its own
    part only: `relay.contract.cluster.nodes` gives the servers to ask for these.

    Args:
        seeds: Servers that are asked first where the keys are.
        make: Makes the client of one server, redis-py's retries off.
        make_asking: Makes one for a single question.
    """

    def __init__(self, seeds: Iterable[Host], make: Connect, make_asking: Connect) -> None:
        first, *more = seeds
        self.topology = Topology([first, *more], make, make_asking)
        # Nothing is sent over it; it says how replies are read.
        super().__init__(connection_pool=self.topology.client(first).connection_pool)

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Send a command where its key is, and give its reply.

        Raises:
            ClusterUnknown: Nobody says who has the key.
            ClusterMoving: The key was on the move all the while; nothing was done.
            RedisError, OSError: As from a single server.
        """
        node = await self._node_of(args)
        try:
            return await node.execute_command(*args, **options)
        except REDIRECTED as error:
            self.topology.learn(node, error)
        except LOST as error:
            self._lost(node, error)
            raise
        (reply,) = await self.run([(args, options)])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(
        self,
        transaction: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
        shard_hint: str | None = None,
    ) -> "ClusterPipeline":
        """Give a pipeline; a transaction may have keys of one slot only."""
        return ClusterPipeline(self, transaction=transaction, shard_hint=shard_hint)

    async def run(self, commands: Sequence[Stacked]) -> list[Any]:
        """Send commands in one go to each server concerned, all at the same time.

        Commands of one slot keep their order, unless the slot moves meanwhile.

        Returns:
            A reply for each, in their order; a `ResponseError` where a server refused.

        Raises:
            ClusterUnknown, ClusterMoving: Some had nowhere to go; others may have been done.
            RedisError, OSError: A connection failed: any of them may have been done.
        """
        replies: list[Any] = [None] * len(commands)
        goals: dict[int, _Goal | None] = dict.fromkeys(range(len(commands)))
        for pause in PAUSES:
            goals, wait = await self._round(commands, goals, replies)
            if not goals:
                return replies
            if wait:
                await asyncio.sleep(pause)
        raise ClusterMoving("the keys are on the move, or without a server")

    async def run_transaction(self, commands: Sequence[Stacked], *, raising: bool) -> list[Any]:
        """Send commands that happen together or not at all.

        Args:
            commands: Their keys are in one slot.
            raising: Raise the first refusal instead of giving it as a reply.

        Raises:
            RedisClusterException: Their keys are in several slots.
            ClusterUnknown, ClusterMoving, RedisError, OSError: As for `run`.
        """
        slots = {slot for args, _ in commands if (slot := slot_of(args)) is not None}
        if len(slots) > 1:
            raise RedisClusterException("the keys of a transaction must be in one slot")
        for pause in PAUSES:
            node = await self.topology.reach(next(iter(slots), None))
            try:
                return await _pipelined(node, commands, transaction=True, raising=raising)
            except REDIRECTED as error:  # said while queueing, or instead of doing it
                self.topology.learn(node, error)
                if not isinstance(error, MovedError):
                    await asyncio.sleep(pause)
            except LOST as error:
                self._lost(node, error)
                raise
        raise ClusterMoving("the keys are on the move, or without a server")

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001
        """Close the clients of all servers."""
        del close_connection_pool  # redis-py's signature
        await self.topology.aclose()

    async def _node_of(self, args: Sequence[Any]) -> Redis:
        slot = slot_of(args)
        node = await self.topology.reach(slot)
        if slot is None and name_of(args) in PARTIAL and len(self.topology.primaries()) > 1:
            raise RedisClusterException(f"{name_of(args)} is for each server to answer")
        return node

    async def _round(
        self, commands: Sequence[Stacked], goals: dict[int, _Goal | None], replies: list[Any]
    ) -> tuple[dict[int, _Goal | None], bool]:
        """Send once what is to be sent; say what is to be sent again, and if after a pause."""
        groups: dict[_Goal, list[int]] = {}
        for number, goal in goals.items():
            goal = goal or (await self._node_of(commands[number][0]), False)  # noqa: PLW2901
            groups.setdefault(goal, []).append(number)
        exchanges = (
            _exchange(goal, [commands[number] for number in numbers])
            for goal, numbers in groups.items()
        )
        answers = await asyncio.gather(*exchanges, return_exceptions=True)
        again: dict[int, _Goal | None] = {}
        wait = False
        for ((node, _), numbers), answer in zip(groups.items(), answers, strict=True):
            if isinstance(answer, BaseException):
                self._lost(node, answer)
                continue
            for number, reply in zip(numbers, answer, strict=True):
                replies[number] = reply
                if isinstance(reply, REDIRECTED):
                    again[number] = self._next_goal(node, reply)
                    wait |= not isinstance(reply, AskError)  # which a MovedError is too
        _raise_first(answers)
        return again, wait

    def _lost(self, node: Redis, error: BaseException) -> None:
        """Take note of an error, and say in it whose it is: the others may be there."""
        self.topology.learn(node, error)
        if isinstance(error, LOST):
            place = node.connection_pool.connection_kwargs
            error.add_note(f"{place.get('host')}:{place.get('port')}")

    def _next_goal(self, node: Redis, reply: Exception) -> _Goal | None:
        self.topology.learn(node, reply)
        if isinstance(reply, AskError) and not isinstance(reply, MovedError):
            return self.topology.asked_at(node, reply), True
        return None


class ClusterPipeline(Pipeline):
    """Collects commands and sends them in one go to each server concerned.

    Args:
        cluster: Whose.
        transaction: Whether they happen together or not at all.
        shard_hint: redis-py's, not used.
    """

    def __init__(self, cluster: ClusterRedis, *, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(
            cluster.connection_pool, cluster.response_callbacks, transaction, shard_hint
        )
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002
        """Send what was collected; see `ClusterRedis.run`."""
        commands = self.command_stack
        try:
            if not commands:
                return []
            if self.is_transaction:
                return await self._cluster.run_transaction(commands, raising=raise_on_error)
            replies = await self._cluster.run(commands)
            if raise_on_error:
                self.raise_first_error(commands, replies)
            return replies
        finally:
            await self.reset()  # type: ignore[no-untyped-call]

    async def immediate_execute_command(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401
        """Refuse WATCH and what would follow it: nothing here watches keys."""
        raise RedisClusterException("a pipeline of a cluster watches no keys")


async def _exchange(goal: _Goal, commands: Sequence[Stacked]) -> list[Any]:
    node, asking = goal
    if not asking:
        return await _pipelined(node, commands, transaction=False, raising=False)
    # It holds for the one command that comes next.
    asked: list[Stacked] = []
    for command in commands:
        asked += [(("ASKING",), {}), command]
    replies = await _pipelined(node, asked, transaction=False, raising=False)
    return replies[1::2]


async def _pipelined(
    node: Redis, commands: Sequence[Stacked], *, transaction: bool, raising: bool
) -> list[Any]:
    pipeline = node.pipeline(transaction=transaction)
    for args, options in commands:
        pipeline.execute_command(*args, **options)
    replies: list[Any] = await pipeline.execute(raise_on_error=raising)
    return replies


def _raise_first(answers: Sequence[list[Any] | BaseException]) -> None:
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ResponseError):
            raise answer
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
