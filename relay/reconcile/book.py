"""Keeps what the last comparison of an endpoint came to, for gateways to show as metrics.

Numbers only: which events are lost is for whoever runs the comparison to read.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Protocol

from redis.asyncio import Redis

from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, send_command, text_of
from relay.contract.keys import Keys
from relay.contract.script import Script

# Longer than any dedupe window may be, so that a schedule that has stopped is seen.
KEEP_MS = 31 * 24 * 3600 * 1000
LOOK_SECONDS = 60.0

_write = Script("relay.reconcile", "book")


@dataclass(frozen=True, slots=True)
class Result:
    """What a comparison came to.

    Args:
        at: When it ended, ms since the epoch.
        lost: How many events are nowhere.
        refused: How many were refused.
        pending: How many may still come.
        since: From when on the log was compared, ms since the epoch.
    """

    at: int
    lost: int
    refused: int
    pending: int
    since: int


class Gauges(Protocol):
    """Shows results."""

    def reconciled(self, endpoint: str, result: Result | None) -> None:
        """Show what the last comparison of an endpoint came to; none where there is none."""


async def write_result(redis: Redis, keys: Keys, endpoint: str, result: Result) -> None:
    """Keep a result.

    Raises:
        RedisError, OSError: The store refuses it, or is away.
    """
    row = [part for pair in asdict(result).items() for part in pair]
    await _write(redis, [keys.reconciled(endpoint)], KEEP_MS, *row)


async def read_result(redis: Redis, keys: Keys, endpoint: str) -> Result | None:
    """Give the last result of an endpoint; none where there is none of our form.

    Raises:
        RedisError, OSError: The store is away, or refuses it.
    """
    raw = await send_command(redis, "HGETALL", keys.reconciled(endpoint))
    pairs = raw.items() if isinstance(raw, Mapping) else zip(raw[::2], raw[1::2], strict=True)
    said = {text_of(name): text_of(value) for name, value in pairs}
    numbers = [said.get(each.name, "") for each in fields(Result)]
    if not all(number.isascii() and number.isdecimal() for number in numbers):
        return None
    return Result(*map(int, numbers)) if max(map(len, numbers)) < 20 else None


class ReconciledWatch:
    """Reads the results of some endpoints once a minute.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoints: Names of those that can be compared.
        gauges: Shows the results.
    """

    def __init__(
        self, redis: Redis, keys: Keys, endpoints: Collection[str], gauges: Gauges
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._endpoints = endpoints
        self._gauges = gauges

    async def run(self) -> None:
        """Read at start, and every minute; of no endpoint there is nothing to do."""
        while self._endpoints:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read once.

        Raises:
            RedisError, OSError: The store is away, or a part of it; the rest was read.
        """
        problem: BaseException | None = None
        for name in self._endpoints:
            try:
                result = await read_result(self._redis, self._keys, name)
            except ResponseError:
                result = None  # something else stands in its place
            except UNKNOWN_OUTCOME as error:
                problem = error
                continue
            self._gauges.reconciled(name, result)
        if problem is not None:
            raise problem
