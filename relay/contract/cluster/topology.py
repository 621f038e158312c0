"""Knows which server holds which slot, and has a client for each.

What is known is used at once and mended behind it: at a redirection, at a lost connection, and
every half a minute. Only who needs a slot of which nothing is known waits for the answer.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisError,
    ResponseError,
)

from relay.contract.address import Host
from relay.contract.closing import Closing
from relay.contract.cluster.errors import LOST, REDIRECTED, ClusterUnknown
from relay.contract.cluster.slots import SLOTS, SlotRange, place_in, read_slots

LOOK_EVERY_SECONDS = 30.0
# Not oftener, whatever goes wrong.
LOOK_AGAIN_SECONDS = 0.1
# One that hangs must not keep us from asking the next.
ANSWER_SECONDS = 1.0

Connect = Callable[[Host], Redis]


class Topology:
    """The map of one cluster, as one client knows it.

    Args:
        seeds: Servers that are asked first.
        make: Makes the client that commands go over.
        make_asking: Makes a client for one question of ours: the others may be blocked.
    """

    def __init__(self, seeds: Iterable[Host], make: Connect, make_asking: Connect) -> None:
        self._seeds = tuple(seeds)
        self._make = make
        self._make_asking = make_asking
        self._clients: dict[Host, Redis] = {}
        self.ranges: list[SlotRange] = []
        self._owners: list[Host | None] = []
        self._primaries: list[Host] = []
        self._others: list[Host] = []
        self._suspects: set[Host] = set()
        # Who said last where the slots are.
        self._answered: Host | None = None
        self._looking: asyncio.Task[Exception | None] | None = None
        # Clients of questions that are over.
        self._closing = Closing()
        self._looked_at = float("-inf")
        self._is_doubted = False

    def client(self, address: Host) -> Redis:
        """Give the client of a server, made when it is first asked for."""
        if address not in self._clients:
            self._clients[address] = self._make(address)
        return self._clients[address]

    def at(self, slot: int) -> Redis:
        """Give the client of the server that has a slot.

        Raises:
            ClusterUnknown: Nobody is known to have it.
        """
        self._look_if_due()
        owner = self._owners[slot] if self._owners else None
        if owner is None:
            self._doubt()
            raise ClusterUnknown(f"no server is known to have slot {slot}")
        return self.client(owner)

    def primaries(self) -> list[Redis]:
        """Give the clients of all servers that have slots.

        Raises:
            ClusterUnknown: None is known yet.
        """
        self._look_if_due()
        if not self._primaries:
            raise ClusterUnknown("no server of the cluster is known yet")
        return [self.client(address) for address in self._primaries]

    async def reach(self, slot: int | None) -> Redis:
        """Give the client of the server that has a slot, or of any; ask first where need be.

        Raises:
            ClusterUnknown: Nobody has it, or nobody answers.
            ResponseError: It is no cluster.
        """
        if not self._owners or (slot is not None and self._owners[slot] is None):
            await self.look()
        if slot is not None:
            return self.at(slot)
        clients = self.primaries()
        # One that hangs, and was not asked for anything yet, is no suspect.
        rank = lambda each: (each[0] in self._suspects, each[0] != self._answered)  # noqa: E731 - one line says it
        return min(zip(self._primaries, clients, strict=True), key=rank)[1]

    def learn(self, node: Redis, error: BaseException) -> bool:
        """Take note of an error that a server's client gave; see `relay.contract.cluster.learn`."""
        asked = self._address_of(node)
        if isinstance(error, LOST):
            if asked is not None:
                self._suspects.add(asked)
            self._doubt()
            return False
        if not isinstance(error, REDIRECTED):
            return False
        if isinstance(error, ClusterDownError) and asked is not None:
            # Cut off from the others it goes on saying that it has its slots.
            self._suspects.add(asked)
        if isinstance(error, MovedError) and asked is not None and self._owners:
            self._owners[error.slot_id] = place_in(error.host, error.port, asked)
        if not isinstance(error, AskError) or isinstance(error, MovedError):
            self._doubt()
        return True

    def asked_at(self, node: Redis, error: AskError) -> Redis:
        """Give the client of the server that a redirection names."""
        asked = self._address_of(node) or self._seeds[0]
        return self.client(place_in(error.host, error.port, asked))

    async def look(self) -> None:
        """Ask the servers which slots they have; see `relay.contract.cluster.look`."""
        looking = self._start_looking()
        # Others wait for the same answer, and none of them can end it.
        await asyncio.wait({looking})
        if not looking.cancelled() and (problem := looking.result()) is not None:
            # A fresh one each: an exception that is raised twice carries both tracebacks.
            raise type(problem)(*problem.args)

    async def aclose(self) -> None:
        """Close all clients."""
        if self._looking is not None and not self._looking.done():
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self._closing.ended()
        for client in self._clients.values():
            await client.aclose()

    def _doubt(self) -> None:
        """Have the servers asked anew, now or, where that was just done, a little later."""
        self._is_doubted = True
        self._look_if_due()

    def _look_if_due(self) -> None:
        pause = LOOK_AGAIN_SECONDS if self._is_doubted else LOOK_EVERY_SECONDS
        if asyncio.get_running_loop().time() - self._looked_at > pause:
            self._start_looking()

    def _start_looking(self) -> asyncio.Task[Exception | None]:
        if self._looking is None or self._looking.done():
            loop = asyncio.get_running_loop()
            self._looked_at = loop.time()
            self._is_doubted = False
            # Not by the loop's factory: a task that began at once could have ended before this.
            self._looking = asyncio.Task(self._ask_all(), loop=loop, name="cluster-look")
        return self._looking

    async def _ask_all(self) -> Exception | None:
        """Ask one after the other until one answers; give what to tell those who wait."""
        problem: Exception = ClusterUnknown("no server of the cluster answers")
        for address in self._in_order():
            try:
                self._read(address, await self._ask(address))
            except ResponseError as error:  # it is no cluster, or does not let us in
                problem = error
            except (RedisError, *LOST):
                self._suspects.add(address)
                self._is_doubted = True
            else:
                self._suspects.discard(address)
                self._answered = address
                self._looked_at = asyncio.get_running_loop().time()
                return None
        return problem

    def _in_order(self) -> list[Host]:
        """List whom to ask: none always first, and last those that did not answer of late."""
        primaries = random.sample(self._primaries, len(self._primaries))
        known = dict.fromkeys([*primaries, *self._others, *self._seeds])
        return sorted(known, key=lambda address: address in self._suspects)

    async def _ask(self, address: Host) -> list[Any]:
        client = self._make_asking(address)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reply: list[Any] = await client.execute_command("CLUSTER", "SLOTS")
                return reply
        finally:
            await self._closing.close(client)

    def _read(self, asked: Host, reply: list[Any]) -> None:
        ranges = read_slots(reply, asked)
        if not ranges:  # one that was taken out of its cluster knows of nobody
            raise ClusterUnknown(f"{asked} knows of no slots")
        owners: list[Host | None] = [None] * SLOTS
        for each in ranges:
            owners[each.first : each.last + 1] = [each.primary] * (each.last + 1 - each.first)
        self.ranges, self._owners = ranges, owners
        self._primaries = sorted({each.primary for each in ranges})
        self._others = sorted({replica for each in ranges for replica in each.replicas})
        self._suspects &= {*self._primaries, *self._others, *self._seeds}

    def _address_of(self, node: Redis) -> Host | None:
        return next((at for at, client in self._clients.items() if client is node), None)
