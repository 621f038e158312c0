"""The truth of a run: how often each event is in its stream, read from the store itself.

A stream's entries come in, counts go out. It removes entries only when asked to, and only those
it has counted.
"""

from dataclasses import dataclass
from typing import Any

from redis import Redis

from bench.holds.numbered import number_of
from bench.unipile import EVENT_TYPE
from relay.contract.keys import Keys

STREAM = Keys().stream("unipile", EVENT_TYPE)
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Truth:
    """What the sender was told, held against what is stored.

    Args:
        accepted: Events that were answered 200.
        entries: Entries in the stream.
        lost: Events answered 200 that are not in it.
        doubled: Events that are in it more than once.
        unasked: Events in it that were not answered 200; the sender would send them again.
    """

    accepted: int
    entries: int
    lost: int
    doubled: int
    unasked: int

    @property
    def holds(self) -> bool:
        """Whether every event that was answered 200 is in its stream exactly once."""
        return self.lost == 0 and self.doubled == 0


class Census:
    """Counts a stream's entries by event.

    Args:
        redis: The store.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._times = bytearray()
        self._last = "0-0"
        self.entries = 0

    def read_on(self, *, trim: bool = False) -> None:
        """Count what has come since the last time.

        Args:
            trim: Remove what was counted.
        """
        while page := self._page():
            for _, fields in page:
                self._count(number_of(fields[b"id"]))
            self.entries += len(page)
            self._last = page[-1][0].decode()
            if trim:
                ms, _, seq = self._last.partition("-")
                self._redis.xtrim(STREAM, minid=f"{ms}-{int(seq) + 1}", approximate=False)
            if len(page) < _PAGE:
                return

    def _page(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: Any = self._redis.xrange(STREAM, f"({self._last}", "+", count=_PAGE)
        return list(found)

    def truth(self, accepted: bytes) -> Truth:
        """Hold what is stored against what the sender was told.

        Args:
            accepted: A one for each number that was answered 200.
        """
        size = max(len(accepted), len(self._times))
        told, times = accepted.ljust(size, b"\0"), bytes(self._times).ljust(size, b"\0")
        pairs = list(zip(told, times, strict=True))
        return Truth(
            accepted=sum(told),
            entries=self.entries,
            lost=sum(1 for yes, found in pairs if yes and not found),
            doubled=sum(1 for found in times if found > 1),
            unasked=sum(1 for yes, found in pairs if found and not yes),
        )

    def _count(self, number: int) -> None:
        if number >= len(self._times):
            self._times.extend(bytes(max(number + 1 - len(self._times), 65_536)))
        self._times[number] = min(self._times[number] + 1, 255)
