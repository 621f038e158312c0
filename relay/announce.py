"""Makes streams known: to workers that look for them, and to the groups that must not miss them.

The gateway's tags are kept in the books, a new stream is told on the control stream, and the
configured groups are created with it at ``0``. All of it can be lost and is then made again.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis

from relay.contract.connect import ResponseError, text_of
from relay.contract.keys import Keys, endpoint_of
from relay.contract.patterns import Pattern

REFRESH_SECONDS = 60.0
CONTROL_ENTRIES = 1000

_log = structlog.get_logger("relay.announce")


class Announcer:
    """Announces tags and streams.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        tags: Every tag of the configured endpoints.
        groups: Group name -> patterns of the streams that it must not miss.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        tags: Sequence[str],
        groups: Mapping[str, Sequence[Pattern]],
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._tags = tags
        self._groups = groups
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
        while True:
            self._wake.clear()
            await self.refresh()
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
            await self._unless_refused(self._tell(tag, event_type), self._keys.control)
            self._news.pop(0)
        for tag in self._tags if self._groups else ():
            await self._unless_refused(self._create_all_groups(tag), self._keys.streams(tag))

    async def announce_tags(self) -> None:
        """Write the tags into the books; a write that harms nothing when repeated."""
        if self._tags:
            await self._redis.sadd(self._keys.tags, *self._tags)

    async def _unless_refused(self, step: Coroutine[Any, Any, None], key: str) -> None:
        try:
            await step
        except ResponseError as error:
            _log.error("announcing_refused", key=key, error=str(error).partition(" ")[0])

    async def _create_all_groups(self, tag: str) -> None:
        for name in await self._redis.hkeys(self._keys.streams(tag)):
            await self._create_groups(tag, text_of(name))

    async def _tell(self, tag: str, event_type: str) -> None:
        await self._create_groups(tag, event_type)
        _log.info("stream_registered", tag=tag, type=event_type)
        fields = {"what": "stream", "tag": tag, "type": event_type}
        await self._redis.xadd(self._keys.control, fields, maxlen=CONTROL_ENTRIES, approximate=True)  # type: ignore[arg-type]

    async def _create_groups(self, tag: str, event_type: str) -> None:
        stream = self._keys.stream(tag, event_type)
        for group, patterns in self._groups.items():
            if not any(pattern.matches(endpoint_of(tag), event_type) for pattern in patterns):
                continue
            try:
                await self._redis.xgroup_create(stream, group, id="0")
            except ResponseError as error:
                if "BUSYGROUP" in str(error):
                    continue
                if "requires the key to exist" not in str(error):
                    # A stream that is none concerns nobody else.
                    kind = str(error).partition(" ")[0]
                    _log.error("announcing_refused", key=stream, error=kind)
            else:
                _log.info("group_created", stream=stream, group=group)
