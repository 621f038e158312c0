"""Finds the streams that a worker's handlers are for, and joins its group on each.

Looks at start, at each message on the control stream, and every ten seconds besides, so that a
lost message only costs time.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from consumers.blocking import BlockingConnection
from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.skips import Skips
from consumers.unread import count_unread
from consumers.worker import Start
from relay.contract.connect import ResponseError, text_of
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
        # What exists, each as endpoint:type.
        self.types: set[str] = set()
        self.on_new: Callable[[], None] = lambda: None
        self.on_looked: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Look, then wait for news, until cancelled."""
        await self._connection.open()
        while True:
            # The id is taken before looking: what comes after it wakes the wait below.
            last_id = await self._last_news()
            await self.look()
            await self._wait_for_news(last_id)

    async def look(self) -> None:
        """Find all streams once."""
        first_id = await self._first_id()
        self.tags = {text_of(tag) for tag in await self._us.redis.smembers(self._us.keys.tags)}
        found = False
        for tag in sorted(self.tags):
            try:
                found |= await self._look_in(tag, first_id)
            except ResponseError as error:
                self._skips.note(tag, error)
            else:
                self._skips.clear(tag)
        if found:
            self.on_new()
        self.on_looked()

    async def _look_in(self, tag: str, first_id: str) -> bool:
        found = False
        for name in await self._us.redis.hkeys(self._us.keys.streams(tag)):
            event_type = text_of(name)
            stream = Stream(tag, event_type, self._us.keys.stream(tag, event_type))
            found |= await self._join(stream, first_id)
        return found

    async def _last_news(self) -> str | None:
        """Give the id of the latest news; none where the control stream cannot be read."""
        try:
            last = await self._us.redis.xrevrange(self._us.keys.control, count=1)
        except ResponseError as error:
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
            if await self._create_group(stream, "0") is None:
                self._routes.remove(stream)

    async def _join(self, stream: Stream, first_id: str) -> bool:
        self.types.add(f"{stream.endpoint}:{stream.event_type}")
        if stream.key in self._routes.streams or self._routes.room_for(stream) is None:
            return False
        created = await self._create_group(stream, first_id)
        if created is None:
            return False
        entries, all_of_them = await count_unread(self._us, stream.key)
        _log.info(
            "stream_joined",
            stream=stream.key,
            group_created=created,
            entries=entries,
            more=not all_of_them,
        )
        return self._routes.add(stream)

    async def _create_group(self, stream: Stream, first_id: str) -> bool | None:
        """Create the group; false where it exists, none where the stream does not."""
        answer = await _make_group(self._us.redis, [stream.key], self._us.group, first_id)
        if answer == b"gone":
            return None
        if answer == b"made":
            _log.info("group_created", stream=stream.key, group=self._us.group)
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


def _before(ms: int) -> str:
    """Give the last entry id before a time: a group that begins there is given what follows."""
    return f"{ms - 1}-{2**64 - 1}" if ms > 0 else "0"
