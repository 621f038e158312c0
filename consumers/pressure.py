"""Finds the streams that are near their caps, so that they are trimmed before they are full.

Source: docs/adr/0028.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from consumers.consumer import Consumer
from consumers.skips import Skips
from consumers.tags import in_each
from relay.contract.caps import PRESSED_RATIO, Cap, Caps, store_bytes_of
from relay.contract.connect import ResponseError, text_of
from relay.contract.stream import Stream

# So many streams are asked about in one round trip.
PAGE = 128
# A stream is looked at again after this part of the time in which it would be full.
EARLY = 4
SHORTEST_SECONDS = 0.05
# What holds a stream that is near its cap may be settled at any time, and then it has room.
PRESSED_SECONDS = 0.5


class Pressure:
    """Looks how full the streams are.

    Args:
        us: This process.
        caps: How much they may hold.
    """

    def __init__(self, us: Consumer, caps: Caps) -> None:
        self._us = us
        self._caps = caps
        self._skips = Skips("trim")
        self._last: dict[Stream, float] = {}
        self._at = time.monotonic()
        self._store_bytes = 0
        # After how long they should be looked at again, as they fill up now.
        self.seconds_left = float("inf")

    async def look(self, tags: Iterable[str], memory: Mapping[str, Any]) -> list[Stream]:
        """Find the streams above 70 % of their caps.

        Asks nothing where none can be.

        Args:
            tags: Whose streams.
            memory: What INFO says of the store's.

        Raises:
            RedisError, OSError: The store is away, and is no cluster.
        """
        self._store_bytes = store_bytes_of(memory)
        least = self._caps.least_bytes(self._store_bytes)
        by_bytes = bool(least) and int(memory["used_memory"]) >= PRESSED_RATIO * least
        if not by_bytes and not self._caps.bounds_entries:
            self._last, self.seconds_left = {}, float("inf")
            return []
        fills: dict[Stream, float] = {}

        async def look(tag: str) -> None:
            streams = await self._streams(tag)
            some = [each for each in streams if by_bytes or self._cap(each).max_entries]
            fills.update(zip(some, await self._fills(some, by_bytes=by_bytes), strict=True))

        await in_each(self._us, tags, look, self._skips)
        self._learn(fills)
        return [stream for stream, fill in fills.items() if fill >= PRESSED_RATIO]

    async def is_pressed(self, stream: Stream) -> bool:
        """Tell whether a stream still is above 70 % of its cap."""
        (fill,) = await self._fills([stream], by_bytes=True)
        return fill >= PRESSED_RATIO

    def hurry(self) -> None:
        """Have a stream that has just been trimmed looked at soon: nobody knows its pace."""
        self.seconds_left = SHORTEST_SECONDS

    def _cap(self, stream: Stream) -> Cap:
        return self._caps.of(stream.endpoint, stream.event_type)

    async def _streams(self, tag: str) -> list[Stream]:
        keys = self._us.keys
        try:
            names = await self._us.redis.hkeys(keys.streams(tag))
        except ResponseError:
            return []  # said by whoever trims it
        types = map(text_of, names)
        return [Stream(tag, each, keys.stream(tag, each)) for each in types]

    async def _fills(self, streams: Sequence[Stream], *, by_bytes: bool) -> list[float]:
        """Say how full each is; what cannot be asked is empty."""
        fills: list[float] = []
        for start in range(0, len(streams), PAGE):
            page = streams[start : start + PAGE]
            pipeline = self._us.redis.pipeline(transaction=False)
            for stream in page:
                pipeline.xlen(stream.key)
                if by_bytes:
                    pipeline.memory_usage(stream.key)
            replies = [_number(one) for one in await pipeline.execute(raise_on_error=False)]
            lengths = replies[::2] if by_bytes else replies
            sizes = replies[1::2] if by_bytes else [0] * len(page)
            fills += [
                self._cap(stream).fill(entries, size_bytes, self._store_bytes)
                for stream, entries, size_bytes in zip(page, lengths, sizes, strict=True)
            ]
        return fills

    def _learn(self, fills: dict[Stream, float]) -> None:
        """Say when the first would be full, if they all fill up as since the last look."""
        now = time.monotonic()
        passed = max(now - self._at, 0.001)
        self.seconds_left = float("inf")
        for stream, fill in fills.items():
            if fill >= PRESSED_RATIO:
                self.seconds_left = min(self.seconds_left, PRESSED_SECONDS)
            growth = (fill - self._last.get(stream, fill)) / passed
            if growth > 0:
                left = max(SHORTEST_SECONDS, (1 - fill) / growth / EARLY)
                self.seconds_left = min(self.seconds_left, left)
        self._last, self._at = fills, now


def _number(reply: Any) -> int:  # noqa: ANN401 - a number, nothing or an error
    if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
        raise reply
    return reply if isinstance(reply, int) else 0
