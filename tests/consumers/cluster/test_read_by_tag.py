"""The readers of several tags, on a cluster of one server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.read import BLOCK_SECONDS
from consumers.read_by_tag import TagReaders
from consumers.rooms import House
from consumers.sources import Sources
from relay.contract.connect import connect
from relay.contract.stream import Stream
from tests.consumers.making import GROUP, append_events, make_handler, make_stream, numbered, us
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.redis,
    pytest.mark.parametrize("server", ["valkey-cluster"], indirect=True),
]

TAGS = numbered(5, "tag")


class Scene:
    """Readers, and one room for all that they read.

    Args:
        client: Over which they block.
        store: Another client.
        places: How many entries the room is for.
    """

    def __init__(self, client: Redis, store: Redis, places: int) -> None:
        handler = make_handler(pattern="*:*", concurrency=1, read_ahead=places - 1)
        self.store = store
        self.house = House([handler])
        (self.room,) = self.house.rooms
        self.routes = Routes(self.house.rooms)
        sources = Sources(self.routes, self.house, _none_is_missing)
        self.readers = TagReaders(client, us(store), sources)
        self.house.on_room.append(self.readers.room_regained)
        self.most_held = 0
        # Every entry is counted on its way into the room.
        self._put, self.room.put = self.room.put, self._note  # type: ignore[method-assign]
        self.came: list[HeldEntry] = []

    def _note(self, entry: HeldEntry) -> int:
        size_bytes = self._put(entry)
        self.most_held = max(self.most_held, self.room.held)
        return size_bytes

    async def until_blocked(self, readers: int) -> None:
        """Wait until so many readers wait for something that is not there."""

        async def are_blocked() -> bool:
            return int((await self.store.info("clients"))["blocked_clients"]) >= readers

        await wait_until(are_blocked, description=f"{readers} are blocked")

    async def know(self, tag: str, events: int) -> Stream:
        """Have a tag with so many events read."""
        stream = make_stream(tag=tag.replace("_", "-"))
        await append_events(self.store, numbered(events, tag), tag=stream.tag)
        await self.store.xgroup_create(stream.key, GROUP, id="0")
        self.routes.add(stream)
        self.readers.wake()
        return stream

    async def until_came(self, count: int) -> None:
        """Handle one entry after the other until there were so many."""

        def handle() -> bool:
            for entry in self.room.drain():
                self.came.append(entry)
                self.room.let_go(entry)
            return len(self.came) >= count

        await wait_until(handle, description=f"{count} came")


async def _none_is_missing(streams: Iterable[Stream]) -> None:
    raise AssertionError(streams)


@asynccontextmanager
async def reading(server: Server, store: Redis, places: int) -> AsyncIterator[Scene]:
    """Have readers at work within the block."""
    client = connect(server.url, role="read", connections=100, block_seconds=BLOCK_SECONDS)
    scene = Scene(client, store, places)
    running = asyncio.create_task(scene.readers.run())
    try:
        yield scene
    finally:
        await scene.readers.stop()
        await running
        await client.aclose()


@pytest.mark.parametrize("places", [1, 3, 100])
async def test_all_tags_together_have_no_more_in_hand_than_there_is_room_for(
    server: Server, store: Redis, places: int
) -> None:
    """However many ask at once; and each of them has its turn."""
    async with reading(server, store, places) as scene:
        for tag in TAGS:
            await scene.know(tag, 40)
        await scene.until_came(5 * 40)

    assert scene.most_held <= places
    assert Counter(entry.stream.tag for entry in scene.came) == Counter(
        {tag.replace("_", "-"): 40 for tag in TAGS}
    )
    assert scene.room.reserved == 0


async def test_readers_that_block_keep_a_place_for_what_comes(server: Server, store: Redis) -> None:
    """Where something comes for all of them at the same time, each of them is given one."""
    async with reading(server, store, 4) as scene:
        streams = [await scene.know(tag, 1) for tag in TAGS]
        await scene.until_came(5)
        await scene.until_blocked(2)
        await asyncio.gather(
            *(append_events(store, ["evt_1", "evt_2"], tag=stream.tag) for stream in streams)
        )
        await wait_until(lambda: scene.room.free == 0, description="the room is full")
        await scene.until_came(15)

    assert scene.most_held <= 4


async def test_readers_block_where_the_room_has_places_for_all(
    server: Server, store: Redis
) -> None:
    """Else they would ask for nothing all the time."""
    async with reading(server, store, 2 * len(TAGS)) as scene:
        for tag in TAGS:
            await scene.know(tag, 1)
        await scene.until_blocked(len(TAGS))
        reserved = scene.room.reserved

    assert reserved == len(TAGS)


async def test_a_tag_is_read_as_long_as_it_has_streams(server: Server, store: Redis) -> None:
    """One that has become known is read at once, and of one that is gone the reader ends."""
    async with reading(server, store, 10) as scene:
        first = await scene.know("tag_0", 1)
        await scene.until_came(1)
        await scene.know("tag_1", 1)
        await scene.until_came(2)
        scene.routes.remove(first)
        scene.readers.wake()
        await wait_until(lambda: len(scene.readers._tasks) == 1, description="it has ended")
        await append_events(store, ["evt_2"], tag="tag-1")
        await scene.until_came(3)

    assert [entry.stream.tag for entry in scene.came] == ["tag-0", "tag-1", "tag-1"]
