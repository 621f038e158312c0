"""Makes streams known: to workers that look for them, and to the groups that must not miss them.

The gateway's tags are kept in the books, a new stream is told on the control stream, and its
configured groups are created and held. All of it can be lost and is then made again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis

from relay.contract.connect import ResponseError, text_of
from relay.contract.keys import Keys
from relay.hold import RELEASE_SECONDS, Holder

REFRESH_SECONDS = 60.0
CONTROL_ENTRIES = 1000

ResultT = TypeVar("ResultT")

_log = structlog.get_logger("relay.announce")


class Announcer:
    """Announces tags and streams.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        tags: Every tag of the configured endpoints.
        holder: Keeps the configured groups.
    """

    def __init__(self, redis: Redis, keys: Keys, tags: Sequence[str], holder: Holder) -> None:
        self._redis = redis
        self._keys = keys
        self._tags = tags
        self._holder = holder
        self._news: list[tuple[str, str]] = []
        self._wake = asyncio.Event()

    def registered(self, tag: str, event_type: str) -> None:
        """Take note of a new stream."""
        self._news.append((tag, event_type))
        self._wake.set()

    def connected(self) -> None:
        """The store was away; what it knew may be gone."""
        self._wake.set()

    async def run(self) -> None:
        """Announce at start, at each piece of news, and every minute."""
        clock = asyncio.get_running_loop().time
        # A gateway that has just come, or found the store again, knows nothing of the others.
        release_at = clock() + RELEASE_SECONDS
        while True:
            self._wake.clear()
            await self.refresh()
            if clock() >= release_at:
                await self.release()
                release_at = clock() + RELEASE_SECONDS
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def refresh(self) -> None:
        """Write tags, news and groups once; what is refused does not hold up the rest."""
        await self.announce_tags()
        while self._news:
            tag, event_type = self._news[0]
            stream = self._keys.stream(tag, event_type)
            await self._unless_refused(self._holder.hold(tag, event_type), stream)
            await self._unless_refused(self._tell(tag, event_type), self._keys.control)
            self._news.pop(0)
        await self._for_each_stream(self._holder.hold)

    async def release(self) -> None:
        """Let go of what no configuration lists any more."""
        await self._for_each_stream(self._holder.release)

    async def announce_tags(self) -> None:
        """Write the tags into the books; a write that harms nothing when repeated."""
        if self._tags:
            await self._redis.sadd(self._keys.tags, *self._tags)

    async def _unless_refused(self, step: Awaitable[ResultT], key: str) -> ResultT | None:
        try:
            return await step
        except ResponseError as error:
            _log.error("announcing_refused", key=key, error=str(error).partition(" ")[0])
            return None

    async def _for_each_stream(self, step: Callable[[str, str], Coroutine[Any, Any, None]]) -> None:
        for tag in self._tags:
            key = self._keys.streams(tag)
            for name in await self._unless_refused(self._redis.hkeys(key), key) or []:
                event_type = text_of(name)
                stream = self._keys.stream(tag, event_type)
                await self._unless_refused(step(tag, event_type), stream)

    async def _tell(self, tag: str, event_type: str) -> None:
        _log.info("stream_registered", tag=tag, type=event_type)
        fields = {"what": "stream", "tag": tag, "type": event_type}
        await self._redis.xadd(self._keys.control, fields, maxlen=CONTROL_ENTRIES, approximate=True)  # type: ignore[arg-type]
