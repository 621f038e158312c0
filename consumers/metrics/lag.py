"""Looks up what only the store knows: how far the group has come, and what waits.

One process of a group does so at a time, by a lease, and only of those that are asked for metrics
at all: what it costs the store does not grow with them.
"""

import asyncio
import random
from collections.abc import Callable, Iterable

from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.metrics import families
from consumers.metrics.families import OLDEST
from consumers.rooms import Room
from consumers.skips import Skips
from consumers.tags import in_each
from consumers.turn import Turn
from relay.contract.connect import RedisError, ResponseError
from relay.contract.keys import endpoint_of
from relay.contract.script import Call, Script
from relay.contract.stream import Stream
from relay.contract.tally import Labels, Tally, total

LOOK_SECONDS = 15.0
# By then a worker knows its streams.
FIRST_LOOK_SECONDS = 1.0
# Lost only by one that missed its look altogether.
LEASE_MS = 40_000
# So many streams are looked at in one round trip, so that no other command waits long.
PAGE = 64

_Row = tuple[str, Labels, float]

_lag = Script("consumers", "metrics/lag")


class Lag:
    """Looks, and remembers what it saw.

    Args:
        us: This process.
        routes: Knows which streams this process reads.
        tags: Gives the tags known now.
    """

    def __init__(self, us: Consumer, *, routes: Routes, tags: Callable[[], Iterable[str]]) -> None:
        self._us = us
        self._routes = routes
        self._tags = tags
        self._turn = Turn(us, us.keys.lease_metrics(us.group), LEASE_MS)
        self._ours = False
        self._skips = Skips("metrics")
        self._seen = Tally()

    def tally(self) -> Tally:
        """Give what was seen at the last look; nothing where another process looks."""
        return self._seen

    async def run(self) -> None:
        """Look every fifteen seconds, until cancelled."""
        await asyncio.sleep(FIRST_LOOK_SECONDS)
        while True:
            try:
                await self.look()
            except (RedisError, OSError):
                self._seen = Tally()  # nobody knows any more
                raise
            await asyncio.sleep(LOOK_SECONDS * random.uniform(0.75, 1.0))  # noqa: S311 - jitter

    async def look(self) -> None:
        """Look at every stream and tag once, where it is this process's turn."""
        self._ours = (await self._turn.keep()) if self._ours else (await self._turn.take())
        if not self._ours:
            self._seen = Tally()
            return
        rows: list[_Row] = []
        streams: dict[str, list[tuple[Stream, Room]]] = {tag: [] for tag in self._tags()}
        for found in self._routes.streams.values():
            streams.setdefault(found[0].tag, []).append(found)

        async def look(tag: str) -> None:
            rows.extend(await self._streams(streams[tag]))
            rows.extend(await self._books(tag))

        await in_each(self._us, sorted(streams), look, self._skips)
        self._seen = total([Tally(gauges=_over_tags(rows))], families.WORKER)

    async def give_back(self) -> None:
        """Let another process look at once."""
        if self._ours:
            self._ours = False
            await self._turn.give_back()

    async def _streams(self, found: list[tuple[Stream, Room]]) -> list[_Row]:
        unread: dict[Labels, float] = {}
        oldest: dict[Labels, float] = {}
        for start in range(0, len(found), PAGE):
            page = found[start : start + PAGE]
            calls: list[Call] = [([stream.key], (self._us.group,)) for stream, _ in page]
            replies = await _lag.many(self._us.redis, calls)
            for (stream, room), reply in zip(page, replies, strict=True):
                if isinstance(reply, ResponseError):
                    self._skips.note(stream.key, reply)
                    continue
                self._skips.clear(stream.key)
                labels = self._labels(stream, room)
                _add(labels, reply, unread, oldest)
        return [
            *((families.UNREAD.name, labels, count) for labels, count in unread.items()),
            *((OLDEST.name, labels, age) for labels, age in oldest.items()),
        ]

    async def _books(self, tag: str) -> list[_Row]:
        keys, group = self._us.keys, self._us.group
        pipeline = self._us.redis.pipeline(transaction=False)
        pipeline.zcard(keys.park(tag, group))
        pipeline.xlen(keys.later(tag, group))
        pipeline.xlen(keys.dead(tag, group))
        parked, later, dead = await pipeline.execute(raise_on_error=False)
        labels = (group, endpoint_of(tag))
        counts = (
            (families.PARKED.name, parked),
            (families.PARKED.name, later),
            (families.DEAD_LETTERS.name, dead),
        )
        return [(name, labels, float(reply)) for name, reply in counts if isinstance(reply, int)]

    def _labels(self, stream: Stream, room: Room) -> Labels:
        return (self._us.group, room.handler.name, stream.endpoint)


def _over_tags(rows: Iterable[_Row]) -> list[_Row]:
    """Put together what was seen of the same in several tags."""
    found: dict[tuple[str, Labels], float] = {}
    for name, labels, value in rows:
        before = found.get((name, labels), 0.0)
        found[name, labels] = max(before, value) if name == OLDEST.name else before + value
    return [(*key, value) for key, value in found.items()]


def _add(
    labels: Labels,
    reply: list[bytes],
    unread: dict[Labels, float],
    oldest: dict[Labels, float],
) -> None:
    """Add a stream to what is known of its handler and endpoint."""
    if not reply:
        return  # the group is gone; the reader puts that right
    count, age_ms = reply
    if count:
        unread[labels] = unread.get(labels, 0.0) + int(count)
    oldest[labels] = max(oldest.get(labels, 0.0), int(age_ms or 0) / 1000)
