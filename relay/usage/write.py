"""Writes the books of endpoints: what was answered comes in, a batch every two seconds goes out."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from redis.asyncio import Redis

from relay.contract.connect import UNKNOWN_OUTCOME, RedisError
from relay.contract.keys import Keys
from relay.contract.script import Call, Script
from relay.endpoint import Endpoint, Secret
from relay.usage.read import HOLDS, LOADED, OUTCOME, SECRET

FLUSH_SECONDS = 2.0
# How often a gateway says that it has an endpoint, and which secrets of it.
LOADED_SECONDS = 60.0
KEEP_MS = 90 * 24 * 3600 * 1000
# There are two dozen outcomes; the rest is secrets, of which old ones go.
MOST_NAMES = 128

_add = Script("relay.usage", "add")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Usage:
    """What one gateway process has to add to the books.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoints: By name, those that this process takes deliveries for.
        clock: Milliseconds since the epoch.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        endpoints: Mapping[str, Endpoint],
        clock: Callable[[], int] = _now_ms,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._endpoints = endpoints
        self._clock = clock
        self._loaded_at_ms = 0
        # Endpoint and what was counted -> how often, first and last time.
        self._news: dict[tuple[str, str | Secret], list[int]] = {}

    def note(self, endpoint: str, outcome: str, secret: Secret | None = None) -> None:
        """Take note of an answer.

        Args:
            endpoint: A configured one.
            outcome: As it is counted elsewhere: ``stored``, ``duplicate``, a reason, ….
            secret: What proved the delivery, if anything did.
        """
        now_ms = self._clock()
        self._count((endpoint, outcome), now_ms)
        if secret is not None:
            self._count((endpoint, secret), now_ms)

    async def run(self) -> None:
        """Write every two seconds."""
        while True:
            await self.flush()
            await asyncio.sleep(FLUSH_SECONDS)

    async def flush(self) -> None:
        """Write what is new; what the store does not take is kept for the next time."""
        now_ms = self._clock()
        if now_ms - self._loaded_at_ms >= 1000 * LOADED_SECONDS:
            self._loaded_at_ms = now_ms
            for name in self._endpoints:
                self._count((name, LOADED), now_ms)
                self._count((name, holds(self._endpoints[name].secrets)), now_ms)
        news, self._news = self._news, {}
        by_endpoint: dict[str, list[str | int]] = {}
        for (endpoint, what), (count, first, last) in news.items():
            row = by_endpoint.setdefault(endpoint, [])
            row += [_name(what), count, first, last]
        calls: list[Call] = [
            ([self._keys.usage(name)], [KEEP_MS, MOST_NAMES, *row])
            for name, row in by_endpoint.items()
        ]
        try:
            replies = await _add.many(self._redis, calls) if calls else []
        except (RedisError, *UNKNOWN_OUTCOME):
            self._take_back(news, set(by_endpoint))
            return
        refused = [isinstance(reply, Exception) for reply in replies]
        self._take_back(news, {name for name, no in zip(by_endpoint, refused, strict=True) if no})

    def _count(self, what: tuple[str, str | Secret], now_ms: int) -> None:
        row = self._news.get(what)
        if row is None:
            self._news[what] = [1, now_ms, now_ms]
        else:
            row[0] += 1
            row[2] = now_ms

    def _take_back(self, news: dict[tuple[str, str | Secret], list[int]], names: set[str]) -> None:
        for what, (count, first, last) in news.items():
            if what[0] in names:
                row = self._news.setdefault(what, [0, first, last])
                row[:] = [row[0] + count, min(row[1], first), max(row[2], last)]


def holds(secrets: Iterable[Secret]) -> str:
    """Name what a gateway holds that has these secrets of an endpoint, whatever their order."""
    return HOLDS + ",".join(sorted(secret.fingerprint for secret in secrets))


def _name(what: str | Secret) -> str:
    if isinstance(what, Secret):
        return f"{SECRET}{what.name}#{what.fingerprint}"
    return what if what == LOADED or what.startswith(HOLDS) else f"{OUTCOME}{what}"
