"""Identified event in, appended or duplicate out, as one step of the store.

Deciding whether an event is new and storing it are one script call, entry before mark, so that
a failure can repeat an event but cannot lose one. Events that arrive while a call is under way
go together in the next: no timer, no delay when idle, and the batch is what one fsync covers.

Source: docs/adr/0003.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from redis.asyncio import Redis

from relay.append.script import (
    SCRIPT,
    Prepared,
    Verdict,
    call_arguments,
    prepare,
    read_verdict,
    refusal,
)
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError
from relay.contract.errors import Overloaded, StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.keys import Keys
from relay.contract.script import Call

__all__ = ["Appender", "Limits", "Observer"]

FIRST_RETRY_SECONDS = 0.02
LAST_RETRY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is sent at once, and how much may wait.

    Args:
        batch_events: Events per flush at most. More only makes the last of them wait longer.
        batch_bytes: Bytes per flush, unless one event alone is longer.
        waiting_events: Events that may wait for a flush before new ones are refused.
        deadline_seconds: How long an event may wait for the store's word. Senders wait a few
            seconds; a blip of the store should not cost them a retry.
    """

    batch_events: int = 128
    batch_bytes: int = 1024 * 1024
    waiting_events: int = 10_000
    deadline_seconds: float = 2.0


class Observer:
    """What the appender reports; each method may be overridden, none may block."""

    def flushed(self, events: int, seconds: float) -> None:
        """One flush was answered."""

    def registered(self, tag: str, event_type: str) -> None:
        """A stream was begun."""

    def misplaced(self, tag: str) -> None:
        """An event went to ``unidentified``, since its tag has too many types."""

    def changed_body(self, tag: str) -> None:
        """A known id came with another body, which was dropped."""

    def connected(self) -> None:
        """The store answers again."""


@dataclass(slots=True)
class _Waiting:
    event: Prepared
    answer: "asyncio.Future[Appended | Duplicate]"
    deadline: float


class Appender:
    """Appends events, many per round trip.

    Args:
        redis: Client with redis-py's retries off (`relay.contract.connect.connect`).
        keys: Makes the keys.
        limits: How much is sent and how much may wait.
        observer: Is told what happened.
        is_full: Says whether the store has no room for events; then nothing is sent.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        limits: Limits | None = None,
        observer: Observer | None = None,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._limits = limits or Limits()
        self._observer = observer or Observer()
        self._is_full = is_full
        self._waiting: deque[_Waiting] = deque()
        self._flusher: asyncio.Task[None] | None = None
        self._failing = False

    @property
    def waiting(self) -> int:
        """How many events wait for a flush."""
        return len(self._waiting)

    async def append(self, identified: IdentifiedEvent) -> Appended | Duplicate:
        """Store an event unless its identity was stored within the window.

        Once called, the event goes its way even if the caller is cancelled.

        Args:
            identified: The event with its identity.

        Returns:
            `Appended` with the new entry id, or `Duplicate` with the first one.

        Raises:
            StoreUnavailable: No confirmation. The event may be stored; appending it again is
                safe.
            StoreFull: The store has no room for events; nothing was stored.
            Overloaded: Too many events wait already; nothing was stored.
        """
        if self._is_full():
            raise StoreFull
        if len(self._waiting) >= self._limits.waiting_events:
            raise Overloaded
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.deadline_seconds
        waiting = _Waiting(prepare(identified, self._keys), loop.create_future(), deadline)
        self._waiting.append(waiting)
        if self._flusher is None:
            # The flush begins after the requests that are ready in this turn of the loop.
            self._flusher = loop.create_task(self._flush_all(), name="append-flush")
        # The store may hang, and what hangs is not waited for beyond the deadline.
        late = StoreUnavailable("no confirmation in time")
        timer = loop.call_at(deadline, _resolve, waiting, late)
        try:
            return await waiting.answer
        finally:
            timer.cancel()

    async def probe(self) -> None:
        """Run the script on no event, to see whether the store would let it.

        Raises:
            RedisError: It would not, or is away.
        """
        key = self._keys.streams("")
        for reply in await self._call([([key, key], [])]):
            if isinstance(reply, Exception):
                raise reply

    async def stop(self) -> None:
        """Send what waits, and return when all of it is answered."""
        while self._flusher is not None:
            await asyncio.wait({self._flusher})

    async def _flush_all(self) -> None:
        try:
            while self._waiting:
                await self._flush(self._next_batch())
        finally:
            self._flusher = None

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size_bytes = 0
        while self._waiting and len(batch) < self._limits.batch_events:
            size_bytes += self._waiting[0].event.size_bytes
            if batch and size_bytes > self._limits.batch_bytes:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _flush(self, batch: list[_Waiting]) -> None:
        """Send a batch until the store has answered, or nobody waits for it any more."""
        pause = FIRST_RETRY_SECONDS
        while batch := self._within_deadline(batch):
            started = time.perf_counter()
            try:
                verdicts = await self._send([waiting.event for waiting in batch])
            except UNKNOWN_OUTCOME:
                # It may have been stored. Sending it again finds the mark, if so.
                self._failing = True
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(2 * pause, LAST_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - every waiting request must get its answer
                self._settle(batch, [Verdict(_refused(error))] * len(batch))
                return
            else:
                self._settle(batch, verdicts)
                # After the answers: nobody waits for a report.
                self._report(batch, verdicts, time.perf_counter() - started)
                return

    def _within_deadline(self, batch: list[_Waiting]) -> list[_Waiting]:
        now = asyncio.get_running_loop().time()
        late = [waiting for waiting in batch if waiting.deadline <= now]
        for waiting in late:
            _resolve(waiting, StoreUnavailable("no confirmation in time"))
        return [waiting for waiting in batch if waiting.deadline > now]

    async def _send(self, events: Sequence[Prepared]) -> list[Verdict]:
        """Make one script call per tag, all in one round trip, and give the verdicts in order."""
        order = sorted(range(len(events)), key=lambda index: events[index].tag)
        groups = [
            (tag, list(indexes)) for tag, indexes in groupby(order, lambda index: events[index].tag)
        ]
        calls = [
            call_arguments(tag, [events[index] for index in indexes], self._keys)
            for tag, indexes in groups
        ]
        replies = await self._call(calls)
        verdicts: list[Verdict] = [Verdict(StoreUnavailable())] * len(events)
        for (_, indexes), reply in zip(groups, replies, strict=True):
            if isinstance(reply, Exception):
                answers = [Verdict(_refused(reply))] * len(indexes)
            else:
                answers = [read_verdict(answer) for answer in reply]
            for index, answer in zip(indexes, answers, strict=True):
                verdicts[index] = answer
        return verdicts

    async def _call(self, calls: list[Call]) -> list[Any]:
        return await SCRIPT.many(self._redis, calls)

    def _settle(self, batch: list[_Waiting], verdicts: list[Verdict]) -> None:
        for waiting, verdict in zip(batch, verdicts, strict=True):
            _resolve(waiting, verdict.result)

    def _report(self, batch: list[_Waiting], verdicts: list[Verdict], seconds: float) -> None:
        tell = self._observer
        _safely(tell.flushed, len(batch), seconds)
        if self._failing:
            self._failing = False
            _safely(tell.connected)
        for waiting, verdict in zip(batch, verdicts, strict=True):
            tag = waiting.event.tag
            if verdict.registered is not None:
                _safely(tell.registered, tag, verdict.registered)
            if verdict.misplaced:
                _safely(tell.misplaced, tag)
            if isinstance(verdict.result, Duplicate) and verdict.result.changed_body:
                _safely(tell.changed_body, tag)


def _safely(report: Callable[..., None], *what: object) -> None:
    """Report, whatever comes of it: an observer's trouble is none of the events'."""
    with suppress(Exception):
        report(*what)


def _refused(error: Exception) -> TryLater:
    if isinstance(error, RedisError):
        return refusal(str(error))
    return StoreUnavailable(type(error).__name__)


def _resolve(waiting: _Waiting, result: Appended | Duplicate | TryLater) -> None:
    if waiting.answer.done():  # the caller is gone; its event went its way all the same
        return
    if isinstance(result, TryLater):
        # A fresh one each: an exception that is raised twice carries both tracebacks.
        waiting.answer.set_exception(type(result)(*result.args))
    else:
        waiting.answer.set_result(result)
