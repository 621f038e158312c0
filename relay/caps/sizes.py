"""How long the streams are: each looked at as often as it could reach its cap meanwhile.

What a stream takes is asked with MEMORY USAGE, which takes a few nodes for all the others. How
fast the store as a whole grows bounds how fast any one stream does, so most are hardly ever
asked.

Source: https://redis.io/docs/latest/commands/memory-usage/.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.contract.cluster import is_cluster, server_of
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError
from relay.contract.stream import Stream

# So many are asked in one round trip.
PAGE = 128
# A stream is looked at again after this part of the time in which it could be full.
EARLY = 4
SHORTEST_SECONDS = 0.02
# Others may be trimmed as fast as one grows, and then the store as a whole does not.
LONGEST_SECONDS = 5.0


@dataclass(slots=True)
class Size:
    """What is known of a stream's length.

    Args:
        size_bytes: As it was last.
        growth: Bytes per second between the last two looks.
        at: When it was looked at last; none where it never was.
    """

    size_bytes: int = 0
    growth: float = 0.0
    at: float | None = None

    def seconds_left(self, cap_bytes: int, store_growth: float) -> float:
        """Say after how long another look is due, from the last one on.

        Args:
            cap_bytes: The stream's cap.
            store_growth: Bytes per second by which the whole store grows now.
        """
        growth = max(self.growth, store_growth)
        if self.size_bytes >= cap_bytes:
            return 0.0
        if growth <= 0:
            return LONGEST_SECONDS
        seconds = (cap_bytes - self.size_bytes) / growth / EARLY
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, seconds))

    def learn(self, size_bytes: int, now: float) -> None:
        """Take note of how long it is."""
        if self.at is not None:
            self.growth = (size_bytes - self.size_bytes) / max(now - self.at, 0.001)
        self.size_bytes, self.at = size_bytes, now


class Sizes:
    """The lengths of many streams."""

    def __init__(self) -> None:
        self._sizes: dict[Stream, Size] = {}

    def of(self, stream: Stream) -> Size:
        """Give what is known of a stream."""
        return self._sizes.setdefault(stream, Size())

    def keep(self, streams: Iterable[Stream]) -> None:
        """Forget all others."""
        kept = set(streams)
        self._sizes = {stream: size for stream, size in self._sizes.items() if stream in kept}

    async def measure(self, redis: Redis, streams: list[Stream], now: float) -> None:
        """Ask how long some streams are; of a cluster each server for itself.

        Those of one that is away are taken to be as long as before.

        Raises:
            ResponseError: It may not be asked.
            RedisError, OSError: The store is away, and is no cluster.
        """
        by_server: defaultdict[Redis | None, list[Stream]] = defaultdict(list)
        for stream in streams:
            by_server[server_of(redis, stream.key)].append(stream)
        steps = (self._measure(redis, some, now) for some in by_server.values())
        for problem in await asyncio.gather(*steps, return_exceptions=True):
            is_away = isinstance(problem, UNKNOWN_OUTCOME) and is_cluster(redis)
            if isinstance(problem, BaseException) and not is_away:
                raise problem

    async def _measure(self, redis: Redis, streams: list[Stream], now: float) -> None:
        for start in range(0, len(streams), PAGE):
            page = streams[start : start + PAGE]
            pipeline = redis.pipeline(transaction=False)
            for stream in page:
                pipeline.memory_usage(stream.key)
            replies = await pipeline.execute(raise_on_error=False)
            for stream, reply in zip(page, replies, strict=True):
                if isinstance(reply, ResponseError):
                    raise reply
                self.of(stream).learn(int(reply or 0), now)
