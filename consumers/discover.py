"""Finds the streams that a worker's handlers are for, and joins its group on each.

Looks at start, at each message on the control stream, and every ten seconds besides, so that a
lost message only costs time. What the books have lost of the streams that are read is written
into them again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from consumers.blocking import BlockingConnection
from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.registration import restore_tag, restore_types
from consumers.skips import Skips
from consumers.tags import in_each
from consumers.unread import count_unread
from consumers.worker import Start
from relay.contract.cluster import is_cluster, warn_of_kind
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, text_of
from relay.contract.script import Script
from relay.contract.stream import Stream

POLL_SECONDS = 10.0

_make_group = Script("relay.contract", "join")
_log = structlog.get_logger("consumers.discover")


class Discovery:
    """Knows the streams, and tells the reader of new ones.

    Args:
        connection: Blocks on the control stream.
        us: This process.
        start: Where the group begins on a stream that it joins.
        routes: Is given the streams that have a handler.
    """

    def __init__(
        self,
        connection: BlockingConnection,
        us: Consumer,
        *,
        start: Start,
        routes: Routes,
    ) -> None:
        self._us = us
        self._connection = connection
        self._start = start
        self._routes = routes
        self._began_ms: int | None = None
        self._skips = Skips("discover")
        self.tags: set[str] = set()
        # Keys of streams of whose group this process may be a consumer, read or not yet.
        self.joined: set[str] = set()
        # What exists, each as endpoint:type.
        self.types: set[str] = set()
        self.on_new: Callable[[], None] = lambda: None
        # Called before each look: nothing may be read of a new stream that is paused.
        self.before_look: Callable[[], Awaitable[None]] = _nothing
        self.on_looked: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Look, then wait for news, until cancelled."""
        await warn_of_kind(self._us.redis)
        while True:
            # The id is taken before looking: what comes after it wakes the wait below.
            last_id = await self._last_news()
            await self.look()
            await self._wait_for_news(last_id)

    async def look(self) -> None:
        """Find all streams once.

        Raises:
            RedisError, OSError: The store is away. Of a cluster that is the server of the tags, or
                of the pauses where these were never read; in the first case the tags that were
                known, and those that handlers name, have been looked into.
        """
        await self.before_look()
        first_id = await self._first_id()
        try:
            known = {text_of(tag) for tag in await self._us.redis.smembers(self._us.keys.tags)}
        except UNKNOWN_OUTCOME:
            if is_cluster(self._us.redis):
                self.tags |= self._named_tags()
                await self._look_in_each(lambda tag: self._look_in(tag, first_id))
            raise
        self.tags = known | {stream.tag for stream, _ in self._routes.streams.values()}

        async def look(tag: str) -> bool:
            found = await self._look_in(tag, first_id)
            if tag not in known:
                await restore_tag(self._us, tag)
            return found

        await self._look_in_each(look)
        self.on_looked()

    def _named_tags(self) -> set[str]:
        """Give the endpoints that handlers call by name: each is a tag, if it has no partitions."""
        endpoints = {room.handler.pattern.endpoint for room in self._routes.rooms}
        return {endpoint for endpoint in endpoints if "*" not in endpoint}

    async def _look_in_each(self, look: Callable[[str], Awaitable[bool]]) -> None:
        found = False

        async def step(tag: str) -> None:
            nonlocal found
            found |= await look(tag)

        await in_each(self._us, sorted(self.tags), step, self._skips)
        if found:
            self.on_new()

    async def _look_in(self, tag: str, first_id: str) -> bool:
        keys = self._us.keys
        types = {text_of(name) for name in await self._us.redis.hkeys(keys.streams(tag))}
        found = False
        for event_type in sorted(types):
            stream = Stream(tag, event_type, keys.stream(tag, event_type))
            found |= await self._join(stream, first_id)
        lost = {stream.event_type for stream in self._read_in(tag)} - types
        await restore_types(self._us, tag, lost)
        for stream in await self._given_again(tag, types | lost):
            found |= await self._join(stream, "0")
        return found

    def _read_in(self, tag: str) -> list[Stream]:
        """Give the types' own streams of a tag that this process reads."""
        read = [stream for stream, _ in self._routes.streams.values()]
        return [stream for stream in read if stream.tag == tag and not stream.again]

    async def _given_again(self, tag: str, types: Iterable[str]) -> list[Stream]:
        """Find the streams of entries that the group is given again and that are not read yet."""
        group, keys = self._us.group, self._us.keys
        possible = [
            Stream(tag, event_type, keys.again(tag, group, event_type), again=True)
            for event_type in sorted(types)
        ]
        possible = [
            stream
            for stream in possible
            if stream.key not in self._routes.streams and self._routes.room_for(stream)
        ]
        pipeline = self._us.redis.pipeline(transaction=False)
        for stream in possible:
            pipeline.exists(stream.key)
        there = await pipeline.execute()
        return [stream for stream, exists in zip(possible, there, strict=True) if exists]

    async def _last_news(self) -> str | None:
        """Give the id of the latest news; none where the control stream cannot be read."""
        try:
            last = await self._us.redis.xrevrange(self._us.keys.control, count=1)
            if not self._connection.is_open:
                await self._connection.open()
        except ResponseError as error:
            self._skips.note(self._us.keys.control, error)
            return None
        except UNKNOWN_OUTCOME as error:
            if not is_cluster(self._us.redis):
                raise
            # Its server is away; those of tags, pauses and streams may be there.
            self._skips.note(self._us.keys.control, error)
            return None
        self._skips.clear(self._us.keys.control)
        return text_of(last[0][0] or "0") if last else "0"

    async def _wait_for_news(self, last_id: str | None) -> None:
        if last_id is None:
            await asyncio.sleep(POLL_SECONDS)
            return
        block = ("COUNT", 1000, "BLOCK", int(1000 * POLL_SECONDS))
        try:
            await self._connection.execute(
                "XREAD", *block, "STREAMS", self._us.keys.control, last_id
            )
        except ResponseError as error:
            self._skips.note(self._us.keys.control, error)
            await asyncio.sleep(POLL_SECONDS)

    async def restore_groups(self, streams: Iterable[Stream]) -> None:
        """Make the group again where it is gone, from the first event on.

        Args:
            streams: Those that were read; one that is gone itself is not read any more, and is
                found again when it comes back.
        """
        for stream in streams:
            made = await self._create_group(stream, "0")
            if made:
                _log.warning("group_restored", stream=stream.key, group=self._us.group)
            if made is None:
                self._routes.remove(stream)
                # One of entries given again ends with the last of them.
                if not stream.again:
                    _log.warning("stream_gone", stream=stream.key)

    async def _join(self, stream: Stream, first_id: str) -> bool:
        self.types.add(f"{stream.endpoint}:{stream.event_type}")
        if stream.key in self._routes.streams or self._routes.room_for(stream) is None:
            return False
        created = await self._create_group(stream, first_id)
        if created is None:
            return False
        if created:
            _log.info("group_created", stream=stream.key, group=self._us.group)
        if not stream.again:
            await self._say_joined(stream, created=created)
        return self._routes.add(stream)

    async def _say_joined(self, stream: Stream, *, created: bool) -> None:
        entries, all_of_them = await count_unread(self._us, stream.key)
        _log.info(
            "stream_joined",
            stream=stream.key,
            group_created=created,
            entries=entries,
            more=not all_of_them,
        )

    async def _create_group(self, stream: Stream, first_id: str) -> bool | None:
        """Create the group; false where it exists, none where the stream does not.

        Also makes this process one of its consumers, so that it is seen to live before it reads.
        """
        who = (self._us.group, first_id, self._us.name)
        # Noted first: the end may come before the answer.
        self.joined.add(stream.key)
        answer = await _make_group(self._us.redis, [stream.key], *who)
        if answer == b"gone":
            return None
        return bool(answer == b"made")

    async def _first_id(self) -> str:
        """Say where the group begins on streams that are found now."""
        if self._start == "first":
            return "0"
        if self._start != "now":
            return _before(int(1000 * self._start.timestamp()))
        if self._began_ms is not None:
            # A stream that began after the start is found only after its first events.
            return _before(self._began_ms)
        seconds, microseconds = await self._us.redis.time()
        self._began_ms = 1000 * seconds + microseconds // 1000
        return "$"


async def _nothing() -> None:
    """Do nothing."""


def _before(ms: int) -> str:
    """Give the last entry id before a time: a group that begins there is given what follows."""
    return f"{ms - 1}-{2**64 - 1}" if ms > 0 else "0"
