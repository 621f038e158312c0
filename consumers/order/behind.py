"""The store's lanes: where entries wait behind a failed one with the same order key.

They hold no place in the process, and stay pending in the group. Only the owner of their stream
puts them there and takes them out.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from consumers.consumer import Consumer
from consumers.entry import HeldEntry, fields_of, read_history
from consumers.lease import Lease
from consumers.order.lanes import Lane
from consumers.suspects.suspicion import read_suspicion
from relay.contract.cluster import is_cluster
from relay.contract.script import Call, Script
from relay.contract.stream import Stream

PAGE = 100
# How many entries one lane may bring back at once.
DRAW = 16

_put = Script("consumers.order", "fenced", "lane")
_draw = Script("consumers.order", "fenced", "unlane")
_names = Script("consumers.order", "lanes")


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the store's lane gave.

    Args:
        entries: Its next ones, now pending under this process.
        wait_seconds: In how long there will be another, where there is none now.
        more: Whether the store's lane holds more.
    """

    entries: list[HeldEntry]
    wait_seconds: float
    more: bool


class Behind:
    """Puts entries into the store's lanes and takes them out.

    Args:
        us: This process.
    """

    def __init__(self, us: Consumer) -> None:
        self._us = us

    async def put(self, entries: Sequence[HeldEntry]) -> list[Any]:
        """Put entries into their lanes; what is not ours any more is passed over.

        Asking again after a lost reply is safe.

        Returns:
            The replies of the store; an exception where it refused.
        """
        calls = [self._putting(page) for page in _pages(entries)]
        return await _put.many(self._us.redis, calls) if calls else []

    async def draw(self, lanes: Sequence[tuple[Lane, Lease]], most: int) -> list[Any]:
        """Take the next entries out of lanes.

        Args:
            lanes: Each with the ownership of its stream.
            most: How many of each.

        Returns:
            For each lane a `Drawn`, none where its stream has another owner, or the exception
            with which the store refused.
        """
        if not is_cluster(self._us.redis):
            return await self._draw(lanes, most)
        drawn: dict[int, Any] = {}
        tags: dict[str, list[tuple[Lane, Lease]]] = {}
        for lane, lease in lanes:
            tags.setdefault(lane.stream.tag, []).append((lane, lease))
        # A server that is away refuses what it has, and nothing of the others'.
        answers = await asyncio.gather(
            *(self._draw(some, most) for some in tags.values()), return_exceptions=True
        )
        for some, answer in zip(tags.values(), answers, strict=True):
            each = answer if isinstance(answer, list) else [answer] * len(some)
            drawn |= {id(lane): one for (lane, _), one in zip(some, each, strict=True)}
        return [drawn[id(lane)] for lane, _ in lanes]

    async def _draw(self, lanes: Sequence[tuple[Lane, Lease]], most: int) -> list[Any]:
        calls = [self._drawing(lane, lease, most) for lane, lease in lanes]
        replies = await _draw.many(self._us.redis, calls)
        return [
            _drawn(lane, lease, reply) for (lane, lease), reply in zip(lanes, replies, strict=True)
        ]

    async def names(self, stream: Stream) -> list[str]:
        """Name the lanes of a stream in which entries wait."""
        found: list[str] = []
        while True:
            after = found[-1] if found else ""
            page = await _names(self._us.redis, [self._lanes(stream)], after, PAGE)
            found += [name.decode() for name in page]
            if len(page) < PAGE:
                return found

    async def count(self, stream: Stream) -> int:
        """Count the entries in all lanes of a stream."""
        return int(await self._us.redis.zcard(self._lanes(stream)))

    def _lanes(self, stream: Stream) -> str:
        return self._us.keys.lane(stream.tag, self._us.group, stream.event_type)

    def _owner(self, stream: Stream) -> str:
        return self._us.keys.owner(stream.tag, self._us.group, stream.event_type)

    def _putting(self, entries: Sequence[HeldEntry]) -> Call:
        stream, fence = entries[0].stream, entries[0].lease.fence
        pairs = [part for entry in entries for part in (entry.entry_id, entry.lane_member)]
        keys = [stream.key, self._owner(stream), self._lanes(stream)]
        return keys, (self._us.group, self._us.name, str(fence), *pairs)

    def _drawing(self, lane: Lane, lease: Lease, most: int) -> Call:
        stream, keys = lane.stream, self._us.keys
        books = [
            book(stream.tag, self._us.group) for book in (keys.park, keys.attempts, keys.strikes)
        ]
        who = (self._us.group, self._us.name, str(lease.fence))
        return (
            [stream.key, self._owner(stream), self._lanes(stream), *books],
            (*who, lane.name, stream.event_type, most),
        )


def _pages(entries: Iterable[HeldEntry]) -> Iterator[list[HeldEntry]]:
    """Group entries by stream and ownership, some at a time."""
    groups: dict[tuple[str, int | None], list[HeldEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.stream.key, entry.lease.fence), []).append(entry)
    for group in groups.values():
        for start in range(0, len(group), PAGE):
            yield group[start : start + PAGE]


def _drawn(lane: Lane, lease: Lease, reply: Any) -> Any:  # noqa: ANN401 - as the store answers
    if isinstance(reply, Exception):
        return reply
    if not reply:
        return None
    wait_ms, more, taken = reply
    entries = [
        HeldEntry(
            lane.stream,
            entry_id.decode(),
            fields_of(flat),
            read_history(history),
            lease=lease,
            lane=lane.name,
            suspicion=read_suspicion(strikes),
        )
        for (entry_id, flat), history, strikes in taken
    ]
    return Drawn(entries, int(wait_ms) / 1000, bool(more))
