"""Finds events in their streams that were sent so long ago that the dedupe index forgot them.

An event that was sent, whose answer was lost, and that is sent again within its window finds its
mark. Later it would make a second entry; so its first is looked for around the time it was sent.
Where replicas must have an event before it counts as stored, they must have what is found, too.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.append.confirm import probe_replicas
from relay.contract import cluster
from relay.contract.connect import text_of
from relay.contract.event import IdentifiedEvent
from relay.contract.keys import UNIDENTIFIED, Keys
from relay.contract.script import Script
from relay.spool.row import Row

# How far our clock may be from the store's, and how long an event may have been under way.
APART_MS = 120_000
# The mark counts from the store's time, and is gone to the ms.
MARGIN_RATIO = 0.1
MARGIN_MS = 60_000
# Entries per command.
PAGE = 128

SCRIPT = Script("relay.spool", "look_up")


@dataclass(frozen=True, slots=True)
class Due:
    """A row that is about to be sent, and what is in it.

    Args:
        row: The row.
        identified: Its event.
    """

    row: Row
    identified: IdentifiedEvent


def is_late(due: Due, now_ms: int) -> bool:
    """Tell whether the index may have forgotten that an event was sent.

    Args:
        due: The event.
        now_ms: Our time; a clock that was set back says nothing, so then it is late too.
    """
    if due.row.tried_at_ms is None:
        return False
    window_ms = 1000 * due.identified.window_seconds
    known_for_ms = window_ms - min(MARGIN_MS, MARGIN_RATIO * window_ms)
    return not 0 <= now_ms - due.row.tried_at_ms < known_for_ms


class LookUp:
    """Looks for entries.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        replicas: How many must have what is found, 0 for none.
    """

    def __init__(self, redis: Redis, keys: Keys, replicas: int = 0) -> None:
        self._redis = redis
        self._keys = keys
        self._replicas = replicas

    async def __call__(self, late: Sequence[Due]) -> set[int]:
        """Give the sequences of those that have an entry.

        One of a type too many lies in ``unidentified``, so that is looked through as well.

        Raises:
            RedisError: The store is away, a stream is none, or too few replicas confirm.
        """
        by_stream: defaultdict[str, list[Due]] = defaultdict(list)
        for due in late:
            tag, event_type = due.row.stream
            by_stream[self._keys.stream(tag, event_type)].append(due)
            if event_type != UNIDENTIFIED:
                by_stream[self._keys.stream(tag, UNIDENTIFIED)].append(due)
        found: set[int] = set()
        for stream, several in by_stream.items():
            found |= await self._in_stream(stream, several)
        if self._replicas:
            await self._confirm({due.row.stream[0] for due in late if due.row.sequence in found})
        return found

    async def _confirm(self, tags: set[str]) -> None:
        """Wait for replicas: whoever has a fence has all that came before it."""
        for tag in tags:
            fence = self._keys.fence(tag)
            await probe_replicas(cluster.at(self._redis, fence), fence, self._replicas)

    async def _in_stream(self, stream: str, late: Sequence[Due]) -> set[int]:
        times = [due.row.tried_at_ms or 0 for due in late]
        begin, end = str(max(0, min(times) - APART_MS)), str(max(times) + APART_MS)
        pairs = [
            part
            for due in late
            for part in (due.identified.event.id, due.identified.event.received_at_ms)
        ]
        found: set[int] = set()
        while begin:
            answer = await SCRIPT(self._redis, [stream], begin, end, PAGE, *pairs)
            begin = text_of(answer[0])
            found |= {late[int(number) - 1].row.sequence for number in answer[1:]}
        return found
