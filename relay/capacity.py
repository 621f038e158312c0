"""Watches how much memory the store has left, so that ingress stops before the workers must.

Above 85 % of what the store may use new events are refused; the rest belongs to workers, dead
letters and the rewrite of the append-only file.
"""

import asyncio

import structlog
from redis.asyncio import Redis

from relay.contract.connect import UNKNOWN_OUTCOME, NoPermissionError, ResponseError
from relay.metrics import Metrics

STOP_RATIO = 0.85
POLL_SECONDS = 0.2
# A small store can be filled within less than that.
SHORTEST_POLL_SECONDS = 0.01

_log = structlog.get_logger("relay.capacity")


class Capacity:
    """Knows whether the store has room for events.

    Args:
        redis: Client of its own, so that a full pool does not delay the watch.
        metrics: Is told the ratio.
    """

    def __init__(self, redis: Redis, metrics: Metrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self._last = 0.0, 0.0
        self._pause = POLL_SECONDS
        self.is_full = False

    async def watch(self) -> None:
        """Look every 0.2 s, and oftener where the store fills up quickly, until cancelled."""
        while True:
            try:
                await self.look()
            except UNKNOWN_OUTCOME:
                # Another store may come back in its place.
                self.is_full = False
                raise
            except (NoPermissionError, ResponseError):
                # Without INFO the store's own refusal is the only bound there is.
                self.is_full = False
            await asyncio.sleep(self._pause)

    async def look(self) -> None:
        """Ask the store once."""
        ratio = self._ratio(await self._redis.info("memory"))
        self._pause = self._next_pause(ratio)
        self._metrics.store_memory(ratio)
        was_full, self.is_full = self.is_full, ratio >= STOP_RATIO
        if self.is_full != was_full:
            event = "store_full" if self.is_full else "store_has_room"
            _log.warning(event, memory_ratio=round(ratio, 3), stops_at=STOP_RATIO)

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
