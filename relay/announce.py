"""Makes streams known: to workers that look for them, and to the groups that must not miss them.

The gateway's tags are kept in the books, a new stream is told on the control stream, and its
configured groups are created and held. All of it can be lost and is then made again.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import structlog
from redis.asyncio import Redis

from relay.contract.cluster import is_cluster
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, text_of, word_of
from relay.contract.control import tell_of_stream
from relay.contract.keys import Keys
from relay.hold import RELEASE_SECONDS, Holder

REFRESH_SECONDS = 60.0

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
        self._release_at = 0.0
        self._lost: Exception | None = None

    def registered(self, tag: str, event_type: str) -> None:
        """Take note of a new stream."""
        self._news.append((tag, event_type))
        self._wake.set()

    def connected(self) -> None:
        """The store was away; what it knew may be gone."""
        self._put_off_release()
        self._wake.set()

    async def run(self) -> None:
        """Announce at start, at each piece of news, and every minute."""
        self._put_off_release()
        while True:
            self._wake.clear()
            await self.refresh()
            if asyncio.get_running_loop().time() >= self._release_at:
                await self._confirm_groups(release=True)
                self._put_off_release()
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def refresh(self) -> None:
        """Write tags, news and groups once; what is refused does not hold up the rest.

        Of a cluster neither does a server that is away.

        Raises:
            RedisError, OSError: The store, or some server of it, is away; the rest is done.
        """
        self._lost = None
        await self._refresh_all()
        if self._lost is not None:
            raise self._lost

    async def _refresh_all(self) -> None:
        await self._unless_refused(self.announce_tags(), self._keys.tags)
        await self._confirm_groups(release=False)
        for tag, event_type in list(self._news):
            stream = self._keys.stream(tag, event_type)
            lost_before = self._lost
            await self._unless_refused(self._holder.create(tag, event_type), stream)
            await self._unless_refused(self._tell(tag, event_type), self._keys.control)
            if self._lost is lost_before:
                self._news.remove((tag, event_type))
        for tag in self._tags:
            key = self._keys.streams(tag)
            for name in await self._unless_refused(self._redis.hkeys(key), key) or []:
                event_type = text_of(name)
                stream = self._keys.stream(tag, event_type)
                await self._unless_refused(self._holder.create(tag, event_type), stream)

    async def probe(self) -> None:
        """See whether the store lets us write; a replica would not.

        Of a cluster nothing is asked: its replicas take no script of ours either, and one server
        alone, where the tags are, must not speak for all.

        Raises:
            RedisError: It does not, or is away.
        """
        if not is_cluster(self._redis):
            await self.announce_tags()

    async def announce_tags(self) -> None:
        """Write the tags into the books; a write that harms nothing when repeated."""
        if self._tags:
            await self._redis.sadd(self._keys.tags, *self._tags)

    async def _confirm_groups(self, *, release: bool) -> None:
        for tag in self._tags:
            step = self._holder.confirm(tag, release=release)
            await self._unless_refused(step, self._keys.groups(tag))

    def _put_off_release(self) -> None:
        """Wait for others: a gateway that has just come, or found the store, does not know them."""
        self._release_at = asyncio.get_running_loop().time() + RELEASE_SECONDS

    async def _unless_refused(self, step: Awaitable[ResultT], key: str) -> ResultT | None:
        try:
            return await step
        except ResponseError as error:
            _log.error("announcing_refused", key=key, error=word_of(error))
            return None
        except UNKNOWN_OUTCOME as error:
            if not is_cluster(self._redis):
                raise
            self._lost = error
            return None

    async def _tell(self, tag: str, event_type: str) -> None:
        _log.info("stream_registered", tag=tag, type=event_type)
        await tell_of_stream(self._redis, self._keys, tag, event_type)
