"""Follows streams without a consumer group: what is appended comes out, in each stream's order.

Streams that begin later are found by the control stream, and by looking every ten seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from redis.exceptions import AuthenticationError

from relay.commands import catalog
from relay.commands.store import Store
from relay.contract.cluster import is_cluster, slot_of_key
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, text_of
from relay.contract.display import warn
from relay.contract.patterns import Pattern
from relay.contract.stream import Stream

ENTRIES_PER_READ = 100
LOOK_SECONDS = 10.0
PAUSE_SECONDS = 1.0
# Of a cluster many slots are read, and nobody waits in each.
POLL_SECONDS = 0.1


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
) -> AsyncIterator[Found]:
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

    async def begin(self, start: str) -> None:
        """Find the streams that exist, and where reading begins in each."""
        # The control stream's end first: what is announced while we look is then read after it.
        control = self._store.keys.control
        self._read_to[control] = await self._last_id(control)
        await self._look()
        for key in self._streams:
            self._read_to[key] = await self._last_id(key) if start == "now" else start

    async def read(self) -> list[Found]:
        """Wait for entries; nothing may come."""
        if asyncio.get_running_loop().time() - self._looked_at > LOOK_SECONDS:
            await self._look()
        redis = self._store.redis
        batch = await (self._poll() if is_cluster(redis) else self._block())
        found = []
        for name, entries in batch:
            key = text_of(name)
            self._read_to[key] = text_of(entries[-1][0])
            if key == self._store.keys.control:
                await self._look()
            else:
                found += [
                    Found(self._streams[key], text_of(entry_id), fields)
                    for entry_id, fields in entries
                ]
        return found

    async def _block(self) -> list[tuple[bytes, list[Any]]]:
        # Its typed method takes no dict of plain texts.
        asked: Any = dict(self._read_to)
        batch: Any = await self._store.redis.xread(
            asked, count=ENTRIES_PER_READ, block=self._block_ms
        )
        return batch or []

    async def _poll(self) -> list[tuple[bytes, list[Any]]]:
        """Read each slot's streams by a command of their own, until some have entries."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._block_ms / 1000
        while True:
            by_slot: dict[int, Any] = {}
            for key, last_id in self._read_to.items():
                by_slot.setdefault(slot_of_key(key), {})[key] = last_id
            pipeline = self._store.redis.pipeline(transaction=False)
            for keys in by_slot.values():
                pipeline.xread(keys, count=ENTRIES_PER_READ)
            replies = await pipeline.execute()
            batch = [each for reply in replies for each in reply or ()]
            if batch or loop.time() >= ends_at:
                return batch
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        for stream in await catalog.streams(self._store, [self._pattern]):
            self._streams[stream.key] = stream
            # A stream that begins while we follow is read from its first entry.
            self._read_to.setdefault(stream.key, "0-0")
        self._looked_at = asyncio.get_running_loop().time()

    async def _last_id(self, key: str) -> str:
        try:
            held = await self._store.redis.xinfo_stream(key)
        except ResponseError as error:
            if "no such key" in str(error):
                return "0-0"
            raise
        return text_of(held["last-generated-id"])
