"""Writes the refusal log: a few rows a second come in, batches to the store go out.

A flood of junk must not become a flood of writes: of each endpoint and reason a few rows a second
are kept, and the rest is counted. A row that the store does not take is counted as lost, and not
tried again: the log is there to explain, and no event hangs on it.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec
from redis.asyncio import Redis

from relay.contract.connect import UNKNOWN_OUTCOME, RedisError
from relay.contract.keys import Keys
from relay.contract.script import Call, Script
from relay.endpoint import Endpoint
from relay.rejections.rejection import Compared, Rejection

FLUSH_SECONDS = 1.0
TIDY_SECONDS = 300.0
SHORT_TIDY_SECONDS = 10.0
ROWS_PER_REASON = 5
# So few that a store does not notice; one of each reason is always kept beside these.
ROWS_PER_SECOND = 10
LOG_BYTES = 16 * 1024 * 1024
# Junk at many endpoints must not fill a small store, which would refuse what is genuine.
SHORT_LOG_BYTES = 1024 * 1024
KEEP_MS = 24 * 3600 * 1000
# Of all endpoints of a process together, until they are written.
WAITING_BYTES = 8 * 1024 * 1024
# A longer call would hold others up; two of the longest bodies fit.
CALL_BYTES = 768 * 1024
CALL_ROWS = 64
# How often in a row the script is asked to go on where more has to go than it takes out at once.
SHORTENINGS = 128
# A store that answers nothing must not hold up the end of the process, endpoint by endpoint.
PATIENCE_SECONDS = 5.0

_keep = Script("relay.rejections", "keep")
_encoder = msgspec.msgpack.Encoder()


class Counts(Protocol):
    """Counts what became of rows."""

    def rejection(self, endpoint: str, state: str, rows: int = 1) -> None:
        """Count rows: ``kept``, ``counted`` only, or ``lost``."""


class Rejects(Protocol):
    """Takes what was refused; what writes the log, or what does without."""

    def wants(self, endpoint: str, reason: str) -> bool:
        """Say whether a row of this kind would be kept now; if so, it is to be noted."""

    def note(self, endpoint: Endpoint, rejection: Rejection) -> None:
        """Take a row."""


class _Packed(NamedTuple):
    """A row as the script takes it.

    Args:
        reason: Why it was refused.
        size_bytes: What it takes in the store, more than less.
        fields: Names and values, as MessagePack.
    """

    reason: str
    size_bytes: int
    fields: bytes


class Room(Protocol):
    """Knows how much room the store has."""

    @property
    def is_short(self) -> bool:
        """Whether it is for events only."""

    @property
    def is_full(self) -> bool:
        """Whether there is none for events either."""


class RejectionLog:
    """The log of one gateway process.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoints: Names of those whose logs are kept tidy.
        compare: Gives the facts by which a row was judged; called off the way of requests.
        room: Says whether what room the store has is for events only.
        counts: Is told what becomes of rows.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        endpoints: Sequence[str],
        *,
        compare: Callable[[Endpoint, Rejection], Compared] | None = None,
        room: Room,
        counts: Counts,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._endpoints = endpoints
        self._compare = compare
        self._room = room
        self._counts = counts
        self._waiting: list[tuple[Endpoint, Rejection]] = []
        self._waiting_bytes = 0
        self._of_reason: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._of_endpoint: defaultdict[str, int] = defaultdict(int)

    def wants(self, endpoint: str, reason: str) -> bool:
        """Say whether a row of this kind would be kept now, and count it if not."""
        so_far = self._of_reason[endpoint, reason]
        has_room = so_far < ROWS_PER_REASON and self._of_endpoint[endpoint] < ROWS_PER_SECOND
        if (so_far and not has_room) or self._waiting_bytes > WAITING_BYTES or self._room.is_short:
            self._counts.rejection(endpoint, "counted")
            return False
        self._of_reason[endpoint, reason] += 1
        self._of_endpoint[endpoint] += 1
        return True

    def note(self, endpoint: Endpoint, rejection: Rejection) -> None:
        """Take a row, to be written within a second."""
        self._waiting.append((endpoint, rejection))
        self._waiting_bytes += rejection.held_bytes

    async def run(self) -> None:
        """Write what has come, every second, and take out what is too old now and then."""
        tidied_at, most_bytes = -math.inf, LOG_BYTES
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
            every_seconds = SHORT_TIDY_SECONDS if self._room.is_short else TIDY_SECONDS
            before, most_bytes = most_bytes, self._most_bytes()
            if most_bytes < before or time.monotonic() - tidied_at >= every_seconds:
                tidied_at = time.monotonic()
                await self.tidy()

    async def flush(self) -> None:
        """Write what has come."""
        rows, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._of_reason.clear()
        self._of_endpoint.clear()
        by_endpoint: defaultdict[str, list[Rejection]] = defaultdict(list)
        for endpoint, row in rows:
            compared = {} if self._compare is None else self._compare(endpoint, row)
            by_endpoint[row.endpoint].append(replace(row, compared=compared))
        deadline = time.monotonic() + PATIENCE_SECONDS
        for name, own in by_endpoint.items():
            if time.monotonic() < deadline:
                await self._write(name, own)
            else:
                self._counts.rejection(name, "lost", len(own))

    async def tidy(self) -> None:
        """Take out what is too old, or too much for a store that is short of room.

        Raises:
            RedisError, OSError: The store is away.
        """
        await self._shorten(self._endpoints)

    async def _write(self, name: str, rows: list[Rejection]) -> None:
        calls = [self._call(name, part) for part in _parts(map(_packed, rows))]
        try:
            replies = await _keep.many(self._redis, calls)
        except (RedisError, *UNKNOWN_OUTCOME):
            self._counts.rejection(name, "lost", len(rows))
            return
        kept = sum(reply[0] for reply in replies if not isinstance(reply, Exception))
        failed = any(isinstance(reply, Exception) for reply in replies)
        self._counts.rejection(name, "kept", kept)
        # Other processes of the gateway have written their rows of this second.
        self._counts.rejection(name, "lost" if failed else "counted", len(rows) - kept)
        if _has_more(replies[-1]):
            with suppress(RedisError, *UNKNOWN_OUTCOME):
                await self._shorten([name])

    async def _shorten(self, names: Sequence[str]) -> None:
        """Take out what is too much or too old, some hundred rows at a time."""
        for _ in range(SHORTENINGS):
            if not names:
                return
            replies = await _keep.many(self._redis, [self._call(name, []) for name in names])
            names = [name for name, reply in zip(names, replies, strict=True) if _has_more(reply)]

    def _most_bytes(self) -> int:
        """Say how much a log may hold now: nothing where events are refused for want of room."""
        if self._room.is_full:
            return 0
        if not self._room.is_short:
            return LOG_BYTES
        # Of all endpoints together no more than else of one.
        return min(SHORT_LOG_BYTES, LOG_BYTES // max(1, len(self._endpoints)))

    def _call(self, name: str, rows: Sequence[_Packed]) -> Call:
        arguments: list[str | bytes | float] = [
            self._most_bytes(),
            KEEP_MS,
            ROWS_PER_REASON,
            ROWS_PER_SECOND,
        ]
        for row in rows:
            arguments += [row.reason, row.size_bytes, row.fields]
        return [self._keys.rejected(name), self._keys.rejected_books(name)], arguments


def _has_more(reply: list[int] | Exception) -> bool:
    return not isinstance(reply, Exception) and bool(reply[1])


def _parts(rows: Iterable[_Packed]) -> list[list[_Packed]]:
    """Divide rows among calls that are not too long, whatever it is that makes a row long."""
    parts: list[list[_Packed]] = [[]]
    size_bytes = 0
    for row in rows:
        size_bytes += row.size_bytes
        if parts[-1] and (size_bytes > CALL_BYTES or len(parts[-1]) == CALL_ROWS):
            parts.append([])
            size_bytes = row.size_bytes
        parts[-1].append(row)
    return parts


def _packed(row: Rejection) -> _Packed:
    """Write a row as MessagePack with texts only: the script's library knows no other."""
    fields = row.fields()
    packed = _encoder.encode([msgspec.Raw(_text(part)) for part in fields])
    return _Packed(row.reason, int(fields[1]), packed)


def _text(part: str | bytes) -> bytes:
    data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
    return b"\xdb" + len(data).to_bytes(4) + data
