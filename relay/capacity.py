"""Watches how much memory the store has left, so that ingress stops before the workers must.

Above 85 % of what the store may use new events are refused; the rest belongs to workers, dead
letters and the rewrite of the append-only file.
"""

import asyncio
from typing import Protocol

import structlog
from redis.asyncio import Redis

from relay.contract.connect import UNKNOWN_OUTCOME, NoPermissionError, ResponseError

STOP_RATIO = 0.85
# From here on room is for events: what only explains is kept no longer.
SHORT_RATIO = 0.70
POLL_SECONDS = 0.2
# A small store can be filled within less than that.
SHORTEST_POLL_SECONDS = 0.01

_log = structlog.get_logger("relay.capacity")


class Meter(Protocol):
    """Shows how full the store is."""

    def store_memory(self, ratio: float) -> None:
        """Take note of it: what is used, as a part of what may be."""


class Capacity:
    """Knows whether the store has room for events.

    Args:
        redis: Client of its own, so that a full pool does not delay the watch.
        meter: Is told the ratio.
        server: Which of several servers it is, for logs.
    """

    def __init__(self, redis: Redis, meter: Meter, server: str = "") -> None:
        self._redis = redis
        self._which = {"server": server} if server else {}
        self._meter = meter
        self._last = 0.0, 0.0
        self._pause = POLL_SECONDS
        self._full = False
        self._short = False

    @property
    def is_short(self) -> bool:
        """Whether what room is left is for events only."""
        return self._short

    @property
    def is_full(self) -> bool:
        """Whether nothing that comes in can be stored."""
        return self._full

    def is_full_at(self, node: Redis) -> bool:  # noqa: ARG002 - there is one server here
        """Tell whether the server that a client leads to has no room."""
        return self._full

    async def watch(self) -> None:
        """Look every 0.2 s, and oftener where the store fills up quickly, until cancelled."""
        while True:
            try:
                await self.look()
            except UNKNOWN_OUTCOME:
                # Another store may come back in its place.
                self._full = self._short = False
                raise
            except (NoPermissionError, ResponseError):
                # Without INFO the store's own refusal is the only bound there is.
                self._full = self._short = False
            await asyncio.sleep(self._pause)

    async def look(self) -> None:
        """Ask the store once."""
        ratio = self._ratio(await self._redis.info("memory"))
        self._pause = self._next_pause(ratio)
        self._meter.store_memory(ratio)
        self._short = ratio >= SHORT_RATIO
        was_full, self._full = self._full, ratio >= STOP_RATIO
        if self._full != was_full:
            event = "store_full" if self._full else "store_has_room"
            _log.warning(event, memory_ratio=round(ratio, 3), stops_at=STOP_RATIO, **self._which)

    def _next_pause(self, ratio: float) -> float:
        """Look again after a quarter of the time in which the store would be full at this pace."""
        now = asyncio.get_running_loop().time()
        (before, last), self._last = self._last, (now, ratio)
        growth = (ratio - last) / max(now - before, 0.001)
        if ratio >= STOP_RATIO or growth <= 0:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(SHORTEST_POLL_SECONDS, (STOP_RATIO - ratio) / growth / 4))

    def _ratio(self, memory: dict[str, int]) -> float:
        bound = int(memory.get("maxmemory", 0))
        if not bound:
            bound = int(memory.get("total_system_memory", 0)) // 2
        return int(memory["used_memory"]) / bound if bound else 0.0
