"""How much one stream may hold, and what happens when it is full.

Pure: patterns and a stream's size come in, the cap that is meant and how full it is go out.

Source: docs/adr/0028.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

from relay.contract.patterns import Pattern, parse_pattern

OnFull = Literal["reject", "drop_oldest"]

# One stream must not stop all the others: three of them may be at their caps before ingress stops
# for the whole store.
DEFAULT_PART = 0.25
# Above this part of a cap, settled history is worth less than the next event.
PRESSED_RATIO = 0.70
# A sender may invent types without end.
MAX_STREAMS = 4096


@dataclass(frozen=True, slots=True)
class Cap:
    """The cap of each stream that a pattern means.

    Args:
        max_entries: Entries at most; none means as many as there is memory for.
        max_bytes: Bytes at most, as MEMORY USAGE counts them; none means a quarter of what the
            store may use, 0 means no bound.
        on_full: Whether new events are refused, or the oldest entries go.
    """

    max_entries: int | None = None
    max_bytes: int | None = None
    on_full: OnFull = "reject"

    def bytes_of(self, store_bytes: int) -> int:
        """Give the cap in bytes; 0 means none.

        Args:
            store_bytes: What the store may use; 0 where that is not known.
        """
        return int(DEFAULT_PART * store_bytes) if self.max_bytes is None else self.max_bytes

    def fill(self, entries: int, size_bytes: int | None, store_bytes: int) -> float:
        """Say how full a stream is: 1.0 is full.

        Args:
            entries: How many it has.
            size_bytes: How long they are; none where that may not be asked.
            store_bytes: What the store may use; 0 where that is not known.
        """
        by_entries = entries / self.max_entries if self.max_entries else 0.0
        bound = self.bytes_of(store_bytes)
        return max(by_entries, (size_bytes or 0) / bound if bound else 0.0)


DEFAULT = Cap()


class Caps:
    """The caps of all streams.

    Args:
        caps: By pattern, as a user wrote it; no two say equally much of one stream.
    """

    def __init__(self, caps: Mapping[str, Cap] | None = None) -> None:
        self._caps = [(parse_pattern(text), cap) for text, cap in (caps or {}).items()]
        self.of = lru_cache(MAX_STREAMS)(self._of)

    @property
    def bounds_entries(self) -> bool:
        """Whether any stream may have a cap in entries."""
        return any(cap.max_entries for _, cap in self._caps)

    def __iter__(self) -> Iterator[tuple[Pattern, Cap]]:
        """Give each pattern with its cap."""
        return iter(self._caps)

    def least_bytes(self, store_bytes: int) -> int:
        """Give the smallest cap in bytes that any stream may have; 0 means that none has one."""
        each = [cap.bytes_of(store_bytes) for cap in (DEFAULT, *(cap for _, cap in self._caps))]
        return min((size for size in each if size), default=0)

    def _of(self, endpoint: str, event_type: str) -> Cap:
        """Give the cap of a stream: that of the most specific pattern that means it."""
        meaning = [each for each in self._caps if each[0].matches(endpoint, event_type)]
        return max(meaning, key=lambda each: each[0].specificity, default=(None, DEFAULT))[1]


def find_tie(patterns: Mapping[str, object]) -> tuple[Pattern, Pattern] | None:
    """Find two patterns that say equally much of some stream."""
    for one, other in combinations([parse_pattern(text) for text in patterns], 2):
        if one.specificity == other.specificity and one.overlaps(other):
            return one, other
    return None


def store_bytes_of(memory: Mapping[str, Any]) -> int:
    """Say what the store may use, by what INFO says of its memory.

    Where it has no bound, half of the machine's counts.
    """
    return int(memory.get("maxmemory", 0)) or int(memory.get("total_system_memory", 0)) // 2
