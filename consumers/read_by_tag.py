"""Streams of a cluster in, entries out: one reader for each tag, at the server that has it.

One blocking command cannot cover streams of several servers. So each tag has a reader with a
connection of its own, and all of them share the process's room (`consumers.shares`).
"""

import asyncio

from redis.asyncio import Redis

from consumers.blocking import BlockingConnection
from consumers.consumer import Consumer
from consumers.read import BLOCK_SECONDS, ENOUGH_EACH, Reader
from consumers.rooms import Room
from consumers.shares import Shares
from consumers.sizes import Sizes
from consumers.sources import Sources
from relay.contract.duties import cancel
from relay.contract.stream import Stream

# How long a reader waits for places that others keep, or where its room is too small for it to keep
# one while it blocks.
CROWDED_SECONDS = 0.05


class TagReader(Reader):
    """Fills the rooms with entries of one tag.

    It takes what is there, as much as its share, and only blocks where nothing is.

    Args:
        connection: Blocks while there is nothing to read; to the server that has the tag.
        us: This process.
        sources: What is read of all tags, and where it goes.
        tag: Which is read here.
        shares: What other readers have asked for.
    """

    def __init__(
        self,
        connection: BlockingConnection,
        us: Consumer,
        sources: Sources,
        *,
        tag: str,
        shares: Shares,
    ) -> None:
        super().__init__(connection, us, sources)
        self._tag = tag
        self._shares = shares
        self._sizes = shares.sizes

    def _streams(self) -> list[tuple[Stream, Room]]:
        return [each for each in super()._streams() if each[0].tag == self._tag]

    async def _fill(self, rooms: list[tuple[Room, list[Stream]]]) -> None:
        if await self._ask(rooms) or self._wake.is_set():
            return
        quiet = [each for each in rooms if self._shares.may_block(each[0])]
        if not quiet:
            await self._wait_for_room(CROWDED_SECONDS)
            return
        # A room in which no place may be kept is looked after again soon.
        seconds = BLOCK_SECONDS if len(quiet) == len(rooms) else CROWDED_SECONDS
        with self._shares.blocking(room for room, _ in quiet):
            await self._read(quiet, 1, seconds)

    async def _wait_for_room(self, seconds: float | None = None) -> None:
        # What others keep and are not given is free again without a word.
        kept = any(room.reserved for _, room in self._streams())
        await super()._wait_for_room(CROWDED_SECONDS if seconds is None and kept else seconds)

    async def _ask(self, rooms: list[tuple[Room, list[Stream]]]) -> bool:
        """Take what is there, for each room as much as is this reader's share."""
        found = False
        for room, streams in rooms:
            most = self._shares.may_ask(room)
            if not most:
                self._left_out = True
                continue
            each = most // len(streams)
            with self._shares.asking(room, most):
                if each >= ENOUGH_EACH:
                    found |= await self._read([(room, streams)], each, None)
                else:
                    found |= await self._read_some(room, streams, most)
        return found


class TagReaders:
    """The readers of all tags, with the face of one.

    Args:
        client: Of the cluster, its commands may block; closed by whoever made it.
        us: This process.
        sources: What is read, and where it goes.
    """

    def __init__(self, client: Redis, us: Consumer, sources: Sources) -> None:
        self._client = client
        self._us = us
        self._sources = sources
        self._shares = Shares(Sizes())
        self._readers: dict[str, TagReader] = {}
        self._tasks: dict[TagReader, asyncio.Task[None]] = {}
        self._enders: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._turn = 0
        self._stopping = False

    async def run(self) -> None:
        """Have every tag read that has streams, until `stop`."""
        try:
            while not self._stopping:
                self._changed.clear()
                self._adjust()
                await self._changed.wait()
                for task in self._tasks.values():
                    if task.done():
                        task.result()  # a fault, which ends the process
            await asyncio.gather(*self._tasks.values())
        finally:
            await cancel([*self._enders, *self._tasks.values()])

    async def stop(self) -> None:
        """End the reads that block, so that `run` returns."""
        self._stopping = True
        self._changed.set()
        await asyncio.gather(*(reader.stop() for reader in list(self._tasks)))

    def wake(self) -> None:
        """Look again: there is a new stream, or room where there was none."""
        self._changed.set()
        for reader in self._readers.values():
            reader.wake()

    def room_regained(self) -> None:
        """Read again from streams that were left out for want of room; another begins each time."""
        readers = list(self._readers.values())
        self._turn = (self._turn + 1) % max(1, len(readers))
        for reader in readers[self._turn :] + readers[: self._turn]:
            reader.room_regained()

    def recover_soon(self) -> None:
        """Compare what is pending with what is in hand: a claim's reply was lost."""
        for reader in self._readers.values():
            reader.recover_soon()

    def _adjust(self) -> None:
        """Begin to read tags that have become known, and end with those that are gone."""
        wanted = self._sources.routes.shared_tags
        for tag in sorted(wanted - self._readers.keys()):
            self._begin(tag)
        for tag in self._readers.keys() - wanted:
            ender = asyncio.create_task(self._end(self._readers.pop(tag)), name="reader-end")
            self._enders.add(ender)
            ender.add_done_callback(self._enders.discard)
        self._shares.readers = len(self._readers)

    def _begin(self, tag: str) -> None:
        key = self._us.keys.streams(tag)
        connection = BlockingConnection(self._client, "read", BLOCK_SECONDS, key)
        reader = TagReader(connection, self._us, self._sources, tag=tag, shares=self._shares)
        self._readers[tag] = reader
        task = asyncio.create_task(_read_to_the_end(reader, connection), name=f"reader-{tag}")
        task.add_done_callback(lambda _: self._changed.set())
        self._tasks[reader] = task

    async def _end(self, reader: TagReader) -> None:
        await reader.stop()
        await self._tasks[reader]
        del self._tasks[reader]


async def _read_to_the_end(reader: TagReader, connection: BlockingConnection) -> None:
    try:
        await reader.run()
    finally:
        await connection.close()
