"""A reader with its rooms and its streams, without the rest of a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from consumers.blocking import BlockingConnection
from consumers.discover import POLL_SECONDS, Discovery
from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.read import BLOCK_SECONDS, Reader
from consumers.rooms import House
from consumers.sources import Sources
from consumers.worker import Handler, Start
from tests.consumers.making import GROUP, us
from tests.waiting import wait_until


class Reading:
    """Reads into rooms from which tests take.

    Args:
        url: Where the reader reads.
        store: Another client, for everything else.
        handlers: One room each.
        start: Where the group begins.
    """

    def __init__(self, url: str, store: Redis, *handlers: Handler, start: Start = "first") -> None:
        self.store = store
        self.house = House(handlers)
        self.routes = Routes(self.house.rooms)
        self.connection = BlockingConnection(url, "read", BLOCK_SECONDS)
        self.news = BlockingConnection(url, "control", POLL_SECONDS)
        self.discovery = Discovery(self.news, us(store), start=start, routes=self.routes)
        sources = Sources(self.routes, self.house, self.discovery.restore_groups)
        self.reader = Reader(self.connection, us(store), sources)
        self.house.on_room.append(self.reader.room_regained)
        self.discovery.on_new = self.reader.wake
        self.came: list[HeldEntry] = []

    @property
    def event_ids(self) -> list[str]:
        """The ids of the events that came, in order."""
        self.take()
        return [entry.fields[b"id"].decode() for entry in self.came]

    def take(self) -> list[HeldEntry]:
        """Give what came since the last time; it keeps its places."""
        new = [entry for room in self.house.rooms for entry in room.drain()]
        self.came += new
        return new

    def let_go(self, entry: HeldEntry) -> None:
        """Give an entry's place back."""
        self.routes.streams[entry.stream.key][1].let_go(entry)

    async def settle(self, entries: list[HeldEntry]) -> None:
        """Acknowledge entries and give their places back."""
        for entry in entries:
            await self.store.xack(entry.stream.key, GROUP, entry.entry_id)
            self.let_go(entry)

    async def until_came(self, *event_ids: str) -> None:
        """Wait until these events came."""
        await wait_until(
            lambda: set(event_ids) <= set(self.event_ids), description=f"{event_ids} came"
        )

    async def until_blocked(self) -> None:
        """Wait until the reader waits for something new."""
        await wait_until(self._is_blocked, description="the reader is blocked")

    async def until_recovered(self) -> None:
        """Have the reader compare what is pending with what is in hand, and wait until it has."""
        self.reader.recover_soon()
        await wait_until(lambda: not self.reader._must_recover, description="it has begun")
        await self.until_blocked()

    async def until_read_by_another_than(self, client_id: int | None) -> None:
        """Wait until the reader has a new connection, has compared over it, and reads."""
        await wait_until(
            lambda: (
                self.connection._client_id not in {None, client_id}
                and self.connection.is_busy
                and not self.reader._must_recover
            ),
            description="it is connected anew",
        )
        await self.until_blocked()

    async def _is_blocked(self) -> bool:
        clients = await self.store.info("clients")
        return int(clients["blocked_clients"]) > 0


@asynccontextmanager
async def reading(
    url: str, store: Redis, *handlers: Handler, start: Start = "first"
) -> AsyncIterator[Reading]:
    """Have a reader that reads, within the block, from the streams that are known by now."""
    scene = Reading(url, store, *handlers, start=start)
    await scene.discovery.look()
    running = asyncio.create_task(scene.reader.run())
    try:
        yield scene
    finally:
        await scene.reader.stop()
        await running
        await scene.connection.aclose()
        await scene.news.aclose()
