"""A worker process that does one step at a time, and a store whose answers can go missing.

Its parts are the real ones; only who calls them next is the test's to say.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from consumers.blocking import BlockingConnection
from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.event import Event
from consumers.handle import Runner
from consumers.lease import Lease
from consumers.outcome import GiveUp
from consumers.pausing import Pausing
from consumers.pipeline import process
from consumers.read import Reader
from consumers.rooms import House
from consumers.settle import Settler
from consumers.sources import Sources
from consumers.sweep import Sweeper
from consumers.waiting.park import Parking
from relay.contract.connect import RedisError, ResponseError
from relay.contract.duties import cancel
from relay.contract.stream import Stream
from relay.contract.wire import Wire
from tests.consumers.making import GROUP, KEYS, make_handler

# Before the server has seen the command, after it has done it, or refused by the server.
Trouble = Literal["unsent", "lost", "refused"]
Ending = Literal["done", "failed", "gave up"]


class Troubles:
    """What happens to the next commands of a client.

    Args:
        redis: The client; every command and pipeline of it goes through here from now on.
    """

    def __init__(self, redis: Redis) -> None:
        self._coming: deque[Trouble | None] = deque()
        client: Any = redis
        self._send, self._pipeline = client.execute_command, client.pipeline
        client.execute_command, client.pipeline = self._sent, self._piped

    def follow(self, wire: Wire) -> None:
        """Have what goes over a connection of its own go through here as well."""
        exchange, carrying = wire.exchange, cast("Any", wire)
        carrying.exchange = lambda commands: self._through(lambda: exchange(commands))

    def expect(self, *troubles: Trouble | None) -> None:
        """Add what happens to the commands after those that have been spoken for."""
        self._coming.extend(troubles)

    def clear(self) -> None:
        """Let everything pass."""
        self._coming.clear()

    async def _sent(self, *command: Any, **options: Any) -> Any:
        return await self._through(lambda: self._send(*command, **options))

    def _piped(self, **options: Any) -> Any:
        pipeline: Any = self._pipeline(**options)
        execute = pipeline.execute
        pipeline.execute = lambda **how: self._through(lambda: execute(**how))
        return pipeline

    async def _through(self, call: Callable[[], Awaitable[Any]]) -> Any:
        trouble = self._coming.popleft() if self._coming else None
        if trouble == "refused":
            raise ResponseError("MISCONF errors writing to the disk")
        if trouble == "unsent":
            raise RedisConnectionError
        reply = await call()
        if trouble == "lost":
            raise RedisConnectionError
        return reply


class UnblockedConnection(BlockingConnection):
    """Reads what is there and never waits for more.

    Args:
        redis: The client it asks.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._open = False

    @property
    def is_open(self) -> bool:
        """Whether the last command was answered."""
        return self._open

    @property
    def is_busy(self) -> bool:
        """Never for longer than a step."""
        return False

    async def open(self) -> None:
        """Nothing is needed."""
        self._open = True

    async def execute(self, *command: str | float) -> Any:
        """Give a raw reply, as from the connection itself."""
        words: list[Any] = list(command)
        if "BLOCK" in words:
            at = words.index("BLOCK")
            del words[at : at + 2]
        send: Any = self._redis.execute_command
        reply: Any = await send(*words)
        pairs = reply.items() if isinstance(reply, dict) else reply or []
        return [[key, [_raw(entry) for entry in entries]] for key, entries in pairs]

    async def unblock(self, redis: Redis) -> None:
        """Nothing blocks."""

    async def close(self) -> None:
        """The next step has to open it."""
        self._open = False

    async def aclose(self) -> None:
        """Nothing to close."""


def _raw(entry: Any) -> list[Any]:
    entry_id, fields = entry
    flat = None if fields is None else [part for pair in fields.items() for part in pair]
    return [entry_id, flat]


class SteppedWorker:
    """One worker process with one handler.

    Args:
        redis: A client of its own.
        name: Its consumer name.
        streams: What it reads.
        handler: Changes to the handler.
    """

    def __init__(self, redis: Redis, name: str, *streams: Stream, **handler: Any) -> None:
        self.name = name
        self.troubles = Troubles(redis)
        self._lost: list[bool] = [False]
        self.us = Consumer(redis, KEYS, GROUP, name, lease=self._lease)
        self._ending: Ending = "done"
        declared = make_handler(self._handle, pattern="unipile:*", **handler)
        house = House([declared])
        (self.room,) = house.rooms
        self.house, self.routes = house, Routes(house.rooms, resting=house.resting)
        routes = self.routes
        for stream in streams:
            routes.add(stream)
        self.settler = Settler(self.us)
        self.troubles.follow(self.settler._wire)
        self.runner = Runner(declared)
        sources = Sources(routes, house, _leave_alone)
        self.reader = Reader(UnblockedConnection(redis), self.us, sources)
        recover_soon = self.reader.recover_soon
        self.parking = Parking(self.us, house=house, routes=routes, recover_soon=recover_soon)
        self.sweeper = Sweeper(
            self.us,
            house=house,
            routes=routes,
            may_take_over=lambda: True,
            recover_soon=recover_soon,
        )
        self.pausing = Pausing(
            self.us,
            house=house,
            routes=routes,
            settler=self.settler,
            review=lambda: self.room.line_up_anew(self.room.drain),
        )
        self.pausing.on_change = lambda resumed: recover_soon() if resumed else None
        self.running: list[HeldEntry] = []

    async def read(self) -> None:
        """Take one turn of reading, with all that follows where it fails."""
        step = self.reader._step

        async def last_step() -> None:
            try:
                await step()
            finally:
                self.reader._stopping = True

        self.reader._stopping = False
        self.reader._step = last_step  # type: ignore[method-assign]
        if self.room.free:  # else it would wait for room
            await self.reader.run()
        self.reader._step = step  # type: ignore[method-assign]

    async def take_over(self) -> None:
        """Sweep once."""
        await self._tried(self.sweeper.sweep)

    async def take_due(self) -> None:
        """Look for parked entries once."""
        await self._tried(self.parking.look)

    async def obey(self) -> None:
        """Look once what is paused, and give back what waits of it."""
        await self._tried(self.pausing.look)
        if self.house.held_back:
            await self._tried(self.pausing._hand_back)

    async def _tried(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except (RedisError, OSError):
            self.reader.recover_soon()

    async def begin(self) -> HeldEntry | None:
        """Take the next entry in hand, if there is one whose turn it is."""
        try:
            async with asyncio.timeout(0):
                entry = await self.room.take()
        except TimeoutError:
            return None
        if entry.suspicion.runs_alone and not await self.settler.strikes.mark(entry, self.room):
            self.room.end_alone(entry)
            return await self.begin()
        self.running.append(entry)
        return entry

    async def finish(self, entry: HeldEntry, ending: Ending) -> None:
        """Run the handler of an entry to its end, and settle; acknowledgements wait for `flush`."""
        self.running.remove(entry)
        self._ending = ending
        await process(entry, self.room, self.runner, self.settler)
        self.room.end_alone(entry)

    async def flush(self) -> None:
        """Send the acknowledgements that wait."""
        await self.settler.flush()

    async def hand_back(self) -> None:
        """Give up what is in hand, as at the end of a process."""
        entries = [*self.room.drain(), *self.running, *self.pausing.left()]
        self.running.clear()
        try:
            await self.settler.flush()
            await self.settler.strikes.withdraw()
            await self.settler.hand_back(entries)
        except (RedisError, OSError):
            pass  # it is taken over like a dead worker's

    def lose_leases(self) -> None:
        """Know that others may have taken over what is in hand, but not what comes from now on."""
        self._lost[0] = True
        self._lost = [False]

    def _lease(self) -> Lease:
        lost = self._lost
        return Lease(lambda: lost[0])

    async def crash(self) -> None:
        """Forget everything at once."""
        flusher = self.settler._acks.flusher
        if flusher is not None:
            await cancel({flusher})
        await self.settler.stop()

    async def _handle(self, event: Event) -> None:
        if self._ending == "gave up":
            raise GiveUp
        if self._ending == "failed":
            raise ValueError


async def _leave_alone(streams: object) -> None:
    """No group is ever missing here."""
