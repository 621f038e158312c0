"""Identified event in, appended or duplicate out, as one step of the store.

Deciding whether an event is new and storing it are one script call, entry before mark, so that
a failure can repeat an event but cannot lose one. Events that arrive while a call is under way
go together in the next: no timer, no delay when idle, and the batch is what one fsync covers.

Source: docs/adr/0003.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from relay.append.caps import StreamLimits
from relay.append.confirm import Confirming, probe_replicas
from relay.append.observer import Observer
from relay.append.script import (
    SCRIPT,
    Dropped,
    Verdict,
    call_arguments,
    comes_from_replica,
    pack,
    read_reply,
    refusal,
    unconfirmed,
)
from relay.append.waiting import Limits, Queue, Waiting
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError
from relay.contract.errors import StoreFull, StoreUnavailable, StreamFull, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.keys import Keys
from relay.contract.script import Call
from relay.contract.wire import Wire

__all__ = ["Appender", "Dropped", "Limits", "Observer", "StreamLimits", "resolve"]

FIRST_RETRY_SECONDS = 0.02
LAST_RETRY_SECONDS = 0.25

# Events of one tag, what became of each, and what streams of the tag had to drop for them.
_Settled = tuple[str, Sequence[Waiting], Sequence[Verdict], Sequence[Dropped]]


class Appender:
    """Appends events, many per round trip.

    Args:
        redis: Client with redis-py's retries off (`relay.contract.connect.connect`); one of its
            connections is kept for the flushes.
        keys: Makes the keys.
        limits: How much is sent and how much may wait.
        observer: Is told what happened.
        is_full: Says whether the store has no room for events; then nothing is sent.
        replicas: How many must have an event before it counts as stored; 0 leaves that to the
            store itself.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        limits: Limits | None = None,
        observer: Observer | None = None,
        is_full: Callable[[], bool] = lambda: False,
        replicas: int = 0,
    ) -> None:
        self._redis = redis
        self._wire = Wire(redis)
        self._replicas = replicas
        self._confirming = Confirming(self._wire, keys, replicas) if replicas else None
        self._keys = keys
        self._limits = limits or Limits()
        self._caps = self._limits.streams
        self._observer = observer or Observer()
        self._is_full = is_full
        self._queue = Queue(self._limits)
        self._in_flight: list[Waiting] = []
        self._flusher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False
        self._misled = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        """How many events wait for a flush."""
        return len(self._queue)

    @property
    def waiting_bytes(self) -> int:
        """How long they are, together."""
        return self._queue.size_bytes

    def append(
        self, identified: IdentifiedEvent, *, past_caps: bool = False
    ) -> asyncio.Future[Appended | Duplicate]:
        """Store an event unless its identity was stored within the window.

        Once called, the event goes its way even if the caller is cancelled, up to `give_up`.

        Args:
            identified: The event with its identity.
            past_caps: It was accepted before, so it is stored also where its stream is full.

        Returns:
            To be awaited: `Appended` with the new entry id, or `Duplicate` with the first one.
            It may also raise `StoreUnavailable`, where there is no confirmation: the event may
            be stored, and appending it again is safe; or `StoreFull`, with nothing stored, and
            `StreamFull` where only its stream takes no more.

        Raises:
            StoreFull: The store has no room for events; nothing was stored.
            Overloaded: Too many events wait already; nothing was stored.
        """
        if self._is_full():
            raise StoreFull
        # Asking for the loop is a system call before Python 3.12.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        caps, limits = self._caps, ""
        if caps.is_needed and not past_caps:
            limits = caps.of(identified.tag, identified.event.type)
        waiting = Waiting(pack(identified, self._keys, limits), loop.create_future(), loop.time())
        self._queue.join(waiting)
        if self._flusher is None or self._timer is None:
            self._start(loop, waiting)
        return waiting.answer

    @property
    def deadline_seconds(self) -> float:
        """How long an event waits for the store before it is answered without it."""
        return self._limits.deadline_seconds

    def server_of(self, tag: str) -> Redis:  # noqa: ARG002
        """Name the server that has a tag now, by the same object for the same server."""
        return self._redis

    async def probe_server(self, server: Redis, more_tags: Iterable[str] = ()) -> None:  # noqa: ARG002
        """Do what `probe` does at a server from `server_of`; here it is the only one."""
        await self.probe()

    async def probe(self) -> None:
        """Run the script on no event, to see whether the store would let it.

        Raises:
            RedisError: It would not, or is away, or too few replicas would confirm an event.
        """
        await self._probe_at(self._redis, "")

    async def _probe_at(self, redis: Redis, tag: str) -> None:
        key = self._keys.streams(tag)
        await SCRIPT(redis, [key, key])
        if self._replicas:
            await probe_replicas(redis, self._keys.fence(tag), self._replicas)

    def give_up(self) -> None:
        """Answer all who wait that there is no confirmation, and send nothing of theirs again.

        What is under way may be stored. Were the others sent when the store is back, they could
        overtake those before them whose time was over, and that their callers have kept.
        """
        given_up, self._in_flight = [*self._in_flight, *self._queue.clear()], []
        for waiting in given_up:
            resolve(waiting, StoreUnavailable("the store does not confirm"))

    async def stop(self) -> None:
        """Send what waits, and return when all of it is answered."""
        while self._flusher is not None:
            await asyncio.wait({self._flusher})
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._wire.close()

    def _take(self, batch: list[Waiting]) -> None:
        """Have events wait here that waited elsewhere, before the others."""
        self._queue.put_first(batch)
        oldest = batch[0]
        ends_at = oldest.since + self._limits.deadline_seconds
        if self._timer is not None and self._timer.when() > ends_at:
            self._timer.cancel()
            self._timer = None
        self._start(oldest.answer.get_loop(), oldest)

    def _start(self, loop: asyncio.AbstractEventLoop, oldest: Waiting) -> None:
        if self._flusher is None:
            # The flush begins after the requests that are ready in this turn of the loop. Not by
            # the loop's factory: a task that began at once could have ended before this.
            self._flusher = asyncio.Task(self._flush_all(), loop=loop, name="append-flush")
        if self._timer is None:
            self._set_timer(oldest)

    def _hand_on(self, batch: list[Waiting], error: BaseException) -> bool:  # noqa: ARG002
        """Give events to whoever knows their place, where an error says that it is not here.

        Returns:
            Whether that was done; a single server is always the place.
        """
        return False

    def _set_timer(self, oldest: Waiting) -> None:
        """Have one timer for all that wait: they came in the order of their deadlines."""
        at = oldest.since + self._limits.deadline_seconds
        self._timer = oldest.answer.get_loop().call_at(at, self._answer_late)

    def _answer_late(self) -> None:
        """Answer those whose time is over: the store may hang, and what hangs is not waited for."""
        self._timer = None
        # Each in the order of their deadlines; those that came from elsewhere may be older than
        # what is under way.
        anyone = False
        oldest: list[Waiting] = []
        for ordered in (self._in_flight, self._queue):
            late, first = self._answer_first(ordered)
            anyone = anyone or late
            oldest += first
        if oldest:
            self._set_timer(min(oldest, key=lambda waiting: waiting.since))
        if anyone:
            _safely(self._observer.failed, self.give_up, self._redis)

    def _answer_first(self, ordered: Iterable[Waiting]) -> tuple[bool, list[Waiting]]:
        """Answer those that are late; say if anyone was, and which is the first that is not."""
        anyone = False
        for waiting in ordered:
            if not self._is_late(waiting):
                return anyone, [waiting]
            anyone = anyone or not waiting.answer.done()
            resolve(waiting, StoreUnavailable("no confirmation in time"))
        return anyone, []

    def _is_late(self, waiting: Waiting) -> bool:
        now = waiting.answer.get_loop().time()
        return waiting.since + self._limits.deadline_seconds <= now

    async def _flush_all(self) -> None:
        try:
            while self._queue:
                await self._flush(self._queue.next_batch())
        except BaseException:
            # Nobody else knows of them any more, not even the timer.
            _resolve_all(self._in_flight, StoreUnavailable("broken off"))
            raise
        finally:
            self._flusher = None
            self._in_flight = []

    async def _flush(self, batch: list[Waiting]) -> None:
        """Send a batch until the store has answered, or nobody waits for it any more."""
        loop = batch[0].answer.get_loop()
        pause = FIRST_RETRY_SECONDS
        self._in_flight = batch
        while batch := self._still_waiting():
            started = loop.time()
            try:
                settled = await self._send(batch)
            except UNKNOWN_OUTCOME as error:
                # It may have been stored. Sending it again finds the mark, if so.
                self._failing = True
                _safely(self._observer.failed, self.give_up, self._redis)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                if self._hand_on(self._in_flight, error):
                    return
                pause = min(2 * pause, LAST_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - every waiting request must get its answer
                _resolve_all(batch, _refused(error))
                return
            else:
                for _, group, verdicts, _ in settled:
                    for waiting, verdict in zip(group, verdicts, strict=True):
                        resolve(waiting, verdict.result)
                now = loop.time()
                self._queue.learn(now - started)
                # After the answers: nobody waits for a report.
                _safely(self._observer.flushed, len(batch), now - started)
                self._report(settled, now)
                await self._leave_replica()
                return

    def _still_waiting(self) -> list[Waiting]:
        """Give those under way who are neither late nor given up."""
        self._in_flight = self._within_deadline(self._in_flight)
        return self._in_flight

    def _within_deadline(self, batch: list[Waiting]) -> list[Waiting]:
        if not batch or not self._is_late(batch[0]):  # and so nobody is
            return batch
        left: list[Waiting] = []
        for waiting in batch:
            # Asked once: the clock goes on meanwhile, and whoever is let go must have an answer.
            if self._is_late(waiting):
                resolve(waiting, StoreUnavailable("no confirmation in time"))
            else:
                left.append(waiting)
        return left

    async def _send(self, batch: list[Waiting]) -> list[_Settled]:
        """Make one script call per tag, all in one round trip, and read the verdicts."""
        by_tag: dict[str, list[Waiting]] = {}
        for waiting in batch:
            by_tag.setdefault(waiting.event.tag, []).append(waiting)
        calls = {
            tag: call_arguments(tag, [waiting.event for waiting in group], self._keys)
            for tag, group in by_tag.items()
        }
        replies, is_confirmed = await self._store(calls, batch[-1].since)
        settled: list[_Settled] = []
        for (tag, group), reply in zip(by_tag.items(), replies, strict=True):
            drops: list[Dropped] = []
            if isinstance(reply, Exception):
                if self._hand_on(group, reply):
                    continue
                verdicts = [Verdict(_refused(reply))] * len(group)
            else:
                verdicts, drops = read_reply(reply, len(group))
            if not is_confirmed:
                verdicts = [unconfirmed(verdict) for verdict in verdicts]
            settled.append((tag, group, verdicts, drops))
        return settled

    async def _store(self, calls: dict[str, Call], since: float) -> tuple[list[Any], bool]:
        """Make the calls; give their replies, and whether as many replicas have it as must."""
        if self._confirming is None:
            return await SCRIPT.over(self._wire, list(calls.values())), True
        stored = await self._confirming.store(calls, since + self._limits.deadline_seconds)
        _safely(self._observer.replicated, stored.replicas, is_enough=stored.is_confirmed)
        if not stored.is_confirmed:
            _safely(self._observer.failed, self.give_up, self._redis)
        return stored.replies, stored.is_confirmed

    async def _leave_replica(self) -> None:
        if self._misled:
            self._misled = False
            # The primary may stand behind the same address.
            await self._wire.close()

    def _report(self, settled: list[_Settled], now: float) -> None:
        tell = self._observer
        if self._failing:
            self._failing = False
            _safely(tell.connected)
        for tag, group, verdicts, drops in settled:
            _safely(tell.confirmed, tag, [now - waiting.since for waiting in group])
            for verdict in verdicts:
                if verdict.is_news:
                    self._report_news(tag, verdict)
            for dropped in drops:
                _safely(tell.dropped, tag, dropped)

    def _report_news(self, tag: str, verdict: Verdict) -> None:
        tell, result = self._observer, verdict.result
        if verdict.registered is not None:
            _safely(tell.registered, tag, verdict.registered)
        if verdict.misplaced:
            _safely(tell.misplaced, tag)
        if isinstance(result, Duplicate):
            _safely(tell.duplicate, tag, result.entry_id)
            if result.changed_body:
                _safely(tell.changed_body, tag)
        elif isinstance(result, StoreUnavailable):
            self._misled = self._misled or comes_from_replica(str(result))
        elif isinstance(result, StreamFull):
            _safely(tell.stream_full, tag, *result.args)


def _safely(report: Callable[..., None], *what: object, **more: object) -> None:
    """Report, whatever comes of it: an observer's trouble is none of the events'."""
    with suppress(Exception):
        report(*what, **more)


def _refused(error: Exception) -> TryLater:
    if isinstance(error, RedisError):
        return refusal(str(error))
    return StoreUnavailable(type(error).__name__)


def _resolve_all(batch: Sequence[Waiting], result: TryLater) -> None:
    for waiting in batch:
        resolve(waiting, result)


def resolve(waiting: Waiting, result: Appended | Duplicate | TryLater) -> None:
    """Tell who waits for an event what became of it."""
    if waiting.answer.done():  # the caller is gone; its event went its way all the same
        return
    if isinstance(result, TryLater):
        # A fresh one each: an exception that is raised twice carries both tracebacks.
        waiting.answer.set_exception(type(result)(*result.args))
    else:
        waiting.answer.set_result(result)
