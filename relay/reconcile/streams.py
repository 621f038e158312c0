"""Looks for events in streams, by their ids, where the dedupe index does not know them.

Stretches of time come in, and which of the ids lie there goes out. A stream is paged through, so
that the store is never busy for long.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.contract.connect import ResponseError, text_of
from relay.contract.keys import Keys
from relay.contract.registry import WrongType, is_wrong_type, wrong_type
from relay.contract.script import Script

# How far the sender's clock may be from the store's, and how long an event may be under way.
APART_MS = 120_000
# Stretches that are so near to each other are looked through as one.
NEAR_MS = 600_000
# Entries per command, and their bytes: the server has all of them in memory once more.
PAGE = 128
PAGE_BYTES = 1024 * 1024
# Commands per round trip.
AT_ONCE = 16

SCRIPT = Script("relay.reconcile", "ids")

# From when to when, ms since the epoch.
Stretch = tuple[int, int]


@dataclass(slots=True)
class StreamLeft:
    """What is still to be looked through of one stream.

    Args:
        key: The stream's.
        begin: Where to go on: an entry id, or ``(`` and one.
        end: Where its present stretch ends.
        left: Those behind it.
    """

    key: str
    begin: str
    end: str
    left: deque[Stretch]


def merged(times: Iterable[Stretch]) -> list[Stretch]:
    """Give the stretches around some times, those that are near to each other as one."""
    found: list[Stretch] = []
    for begin, end in sorted((max(0, first - APART_MS), last + APART_MS) for first, last in times):
        if found and begin <= found[-1][1] + NEAR_MS:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


class StreamLook:
    """Looks through streams.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        # What could not be looked through, since it is no stream.
        self.wrong: list[WrongType] = []

    async def __call__(
        self, tag: str, types: Iterable[str], stretches: Collection[Stretch], ids: Collection[str]
    ) -> dict[str, bool]:
        """Say which events have an entry in some stretches of a tag's streams.

        Args:
            tag: Whose streams.
            types: Of which types.
            stretches: Of time, in order and apart from each other.
            ids: The events' ids.

        Returns:
            Those that have one: id -> whether something proves one of them.

        Raises:
            RedisError, OSError: The store is away, or refuses it.
        """
        found: dict[str, bool] = {}
        waiting = deque(self._plan(tag, types, stretches))
        while waiting:
            batch = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
            for stream, page in zip(batch, await self._pages(batch), strict=True):
                for event_id, unproved in zip(page[1::2], page[2::2], strict=True):
                    name = text_of(event_id)
                    if name in ids:
                        found[name] = found.get(name, False) or not unproved
                if _goes_on(stream, text_of(page[0])):
                    waiting.append(stream)
        return found

    def _plan(
        self, tag: str, types: Iterable[str], stretches: Collection[Stretch]
    ) -> Iterator[StreamLeft]:
        for event_type in types:
            (begin, end), *left = stretches
            key = self._keys.stream(tag, event_type)
            yield StreamLeft(key, str(begin), str(end), deque(left))

    async def _pages(self, batch: Collection[StreamLeft]) -> list[list[bytes]]:
        replies = await SCRIPT.many(
            self._redis,
            [([each.key], [each.begin, each.end, PAGE, PAGE_BYTES]) for each in batch],
        )
        pages: list[list[bytes]] = []
        for stream, reply in zip(batch, replies, strict=True):
            if isinstance(reply, ResponseError) and is_wrong_type(reply):
                self.wrong.append(await wrong_type(self._redis, stream.key, "stream"))
                stream.left.clear()
                pages.append([b""])
            elif isinstance(reply, Exception):
                raise reply
            else:
                pages.append(reply)
        return pages


def _goes_on(stream: StreamLeft, begin: str) -> bool:
    """Move on within a stream; tell whether anything of it is left."""
    if begin:
        stream.begin = begin
        return True
    if not stream.left:
        return False
    first, last = stream.left.popleft()
    stream.begin, stream.end = str(first), str(last)
    return True
