"""Follows streams without a consumer group: what is appended comes out, in each stream's order.

Streams that begin later are found by the control stream, and by looking every ten seconds. Of a
cluster each server is followed for itself, and streams are looked for beside that.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.exceptions import AuthenticationError

from relay.commands import catalog
from relay.commands.poll import ENTRIES_PER_READ, Batch, Polling
from relay.commands.store import Store
from relay.contract.cluster import is_cluster
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, text_of
from relay.contract.display import warn
from relay.contract.duties import cancel
from relay.contract.patterns import Pattern
from relay.contract.stream import Stream

LOOK_SECONDS = 10.0
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """One entry that came.

    Args:
        stream: Where it is.
        entry_id: Its id.
        fields: Its fields as stored.
    """

    stream: Stream
    entry_id: str
    fields: Mapping[bytes, bytes]


async def follow(
    store: Store, pattern: Pattern, start: str, block_seconds: float
) -> AsyncGenerator[Found, None]:
    """Give entries for ever, also over an outage of the store.

    Args:
        store: A client that may block for ``block_seconds``.
        pattern: Which streams.
        start: ``now``, or the entry id after which reading begins in every stream.
        block_seconds: How long one read waits.

    Raises:
        RedisError: The store cannot be read at the start, or does not let this user in.
    """
    reader = _Reader(store, pattern, round(1000 * block_seconds))
    await reader.begin(start)
    try:
        async for found in _follow(reader):
            yield found
    finally:
        await reader.stop()


async def _follow(reader: "_Reader") -> AsyncIterator[Found]:
    away = False
    while True:
        try:
            batch = await reader.read()
        except AuthenticationError:  # waiting does not help
            raise
        except UNKNOWN_OUTCOME:
            if not away:
                warn("Redis is away; waiting for it.")
            away = True
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        away = False
        for found in batch:
            yield found


class _Reader:
    """Knows how far each stream has been read."""

    def __init__(self, store: Store, pattern: Pattern, block_ms: int) -> None:
        self._store = store
        self._pattern = pattern
        self._block_ms = block_ms
        self._streams: dict[str, Stream] = {}
        self._read_to: dict[str, str] = {}
        self._looked_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._polling = Polling(store.redis) if is_cluster(store.redis) else None

    async def begin(self, start: str) -> None:
        """Find the streams that exist, and where reading begins in each."""
        # The control stream's end first: what is announced while we look is then read after it.
        control = self._store.keys.control
        self._read_to[control] = await self._last_id(control)
        await self._look()
        self._looked_at = asyncio.get_running_loop().time()
        for key in self._streams:
            self._read_to[key] = await self._last_id(key) if start == "now" else start

    async def read(self) -> list[Found]:
        """Wait for entries; nothing may come."""
        if asyncio.get_running_loop().time() - self._looked_at > LOOK_SECONDS:
            await self._look_again()
        batch = await (self._poll(self._polling) if self._polling else self._block())
        found = []
        for name, entries in batch:
            key = text_of(name)
            self._read_to[key] = text_of(entries[-1][0])
            if key == self._store.keys.control:
                await self._look_again()
            else:
                found += [
                    Found(self._streams[key], text_of(entry_id), fields)
                    for entry_id, fields in entries
                ]
        return found

    async def stop(self) -> None:
        """Ask no more."""
        if self._looking is not None:
            await cancel([self._looking])
        if self._polling is not None:
            await self._polling.stop()

    async def _block(self) -> Batch:
        # Its typed method takes no dict of plain texts.
        asked: Any = dict(self._read_to)
        batch: Any = await self._store.redis.xread(
            asked, count=ENTRIES_PER_READ, block=self._block_ms
        )
        return batch or []

    async def _poll(self, polling: Polling) -> Batch:
        return await polling.read(self._read_to, self._block_ms / 1000)

    async def _look_again(self) -> None:
        """Find new streams; of a cluster behind what is read, since a server may be away."""
        if self._polling is None:
            await self._look()
            self._looked_at = asyncio.get_running_loop().time()
        elif self._looking is not None and not self._looking.done():
            self._looked_at = 0.0  # what is news may be too late for this look
        else:
            if self._looking is not None:
                self._looking.result()  # of another kind than that a server is away
            self._looked_at = asyncio.get_running_loop().time()
            self._looking = asyncio.create_task(self._look_if_there())

    async def _look_if_there(self) -> None:
        # Which server is away is said where its streams are read.
        with suppress(*UNKNOWN_OUTCOME):
            await self._look()

    async def _look(self) -> None:
        for stream in await catalog.streams(self._store, [self._pattern]):
            self._streams[stream.key] = stream
            # A stream that begins while we follow is read from its first entry.
            self._read_to.setdefault(stream.key, "0-0")

    async def _last_id(self, key: str) -> str:
        try:
            held = await self._store.redis.xinfo_stream(key)
        except ResponseError as error:
            if "no such key" in str(error):
                return "0-0"
            raise
        return text_of(held["last-generated-id"])
