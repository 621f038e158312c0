"""A cluster whose servers answer what a test says, and keep what they were sent."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.contract.cluster import ClusterRedis, Host

A, B = Host("a", 1), Host("b", 2)
# The map as all servers give it: a has the lower half of the slots.
HALVES = ((0, 8191, A), (8192, 16383, B))
# Keys in each half.
LOW, HIGH = "{b}", "{a}"


class ScriptedNode:
    """One server.

    Args:
        host: Where it is.
    """

    def __init__(self, host: Host) -> None:
        self._name = host.name
        self.connection_pool = ConnectionPool(host=host.name, port=host.port)
        self.sent: list[tuple[Any, ...]] = []
        # What it says next, each once; an exception is raised. Then it says its own name.
        self.answers: list[Any] = []
        self.is_away = False

    async def execute_command(self, *command: Any, **_: Any) -> Any:
        """Answer one command."""
        reply = self._answer(command)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, *, transaction: bool) -> "_Pipeline":
        """Collect commands."""
        return _Pipeline(self, transaction=transaction)

    async def aclose(self) -> None:
        """Do nothing: a test may look afterwards."""

    def _answer(self, command: tuple[Any, ...]) -> Any:
        if self.is_away:
            raise RedisConnectionError
        self.sent.append(command)
        if command == ("ASKING",):
            return b"OK"
        return (
            self.answers.pop(0)
            if self.answers
            else str(self.connection_pool.connection_kwargs["host"])
        )


class _Pipeline:
    def __init__(self, node: ScriptedNode, *, transaction: bool) -> None:
        self._node = node
        self._transaction = transaction
        self._commands: list[tuple[Any, ...]] = []

    def execute_command(self, *command: Any, **_: Any) -> None:
        self._commands.append(command)

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        replies = [self._node._answer(command) for command in self._commands]
        for reply in replies:
            if (raise_on_error or self._transaction) and isinstance(reply, Exception):
                raise reply
        return replies


class Scripted:
    """Two servers and a client of both.

    Args:
        halves: Who has which slots, as both say.
    """

    def __init__(self, halves: Sequence[tuple[int, int, Host]] = HALVES) -> None:
        self.halves = list(halves)
        self.nodes: Mapping[Host, ScriptedNode] = {A: ScriptedNode(A), B: ScriptedNode(B)}
        # Who does not say where the slots are.
        self.silent: set[Host] = set()
        self.looks: list[Host] = []
        # Who was asked over a client that is closed again, and whether closing comes to its end.
        self.closed: list[Host] = []
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.client = ClusterRedis([A], self._make, self._make_asking)

    @property
    def a(self) -> ScriptedNode:
        """The server of `LOW`."""
        return self.nodes[A]

    @property
    def b(self) -> ScriptedNode:
        """The server of `HIGH`."""
        return self.nodes[B]

    def _make(self, host: Host) -> Redis:
        return cast("Redis", self.nodes[host])

    def _make_asking(self, host: Host) -> Redis:
        return cast("Redis", _Telling(self, host))


class _Telling:
    """Says where the slots are."""

    def __init__(self, whole: Scripted, host: Host) -> None:
        self._whole = whole
        self._host = host

    async def execute_command(self, *command: str) -> list[Any]:
        assert command == ("CLUSTER", "SLOTS")
        self._whole.looks.append(self._host)
        if self._host in self._whole.silent:
            raise RedisConnectionError
        return [
            [first, last, [host.name.encode(), host.port, b"id"]]
            for first, last, host in self._whole.halves
        ]

    async def aclose(self) -> None:
        await self._whole.may_close.wait()
        self._whole.closed.append(self._host)
