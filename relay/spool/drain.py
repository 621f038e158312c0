"""Sends what is in the spool to the store, in order, and removes what is confirmed.

An event is removed only after the append has confirmed it, at the durability that any event has.
If anything stops this between the two, the event is sent again and found to be a duplicate. What
the store refuses holds up its own stream only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, word_of
from relay.contract.errors import Overloaded, StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.logs import Logger
from relay.spool.breaker import Breaker
from relay.spool.held_up import HeldUp
from relay.spool.look_up import Due, is_late
from relay.spool.open_file import OpenFile
from relay.spool.row import Row, Stream, UnreadableRow, decode
from relay.spool.spool import Spool

# How much goes to the store at once: four flushes.
ROUND_EVENTS = 512
ROUND_BYTES = 4 * 1024 * 1024

# Why a stream is held up whose file cannot be read.
UNREADABLE = "unreadable"

# Trouble of the store with whatever is sent, and with no stream in particular.
FOR_ALL = {StoreFull, Overloaded}

Append = Callable[[IdentifiedEvent], asyncio.Future[Appended | Duplicate]]
Find = Callable[[Sequence[Due]], Awaitable[set[int]]]
Answer = Appended | Duplicate | BaseException

_log = Logger("relay.spool")


class Drain:
    """Drains the files of a spool, one round after the other.

    Args:
        spool: Which.
        append: Stores an event.
        find: Gives the sequences of those, sent long ago, that are in their streams.
        breaker: Says whether the store is away.
        spread: The store is several servers: what one refuses another may take, so nothing that
            is refused holds up more than its own stream.
    """

    def __init__(
        self,
        spool: Spool,
        append: Append,
        find: Find,
        breaker: Breaker,
        *,
        spread: bool = False,
    ) -> None:
        self._spool = spool
        self._append = append
        self._find = find
        self._breaker = breaker
        self._spread = spread
        self.held_up = HeldUp()
        # Why an event was not taken that was sent last and was not.
        self.problem: BaseException | None = None

    @property
    def sendable(self) -> int:
        """How many events there are whose stream is not held up."""
        backlog = self._spool.backlog
        return backlog.events - sum(map(backlog.count, self.held_up.streams))

    async def round(self) -> int:
        """Send some events, and say how many of them are in their streams now.

        However many streams are held up, they never take the place of those that are not.
        """
        trips = self._breaker.trips
        moved = await self._retry()
        if self._breaker.trips != trips:
            return moved
        return moved + await self._go_on()

    async def _retry(self) -> int:
        """Send of the stream that has waited longest for another try."""
        for stream in self.held_up.due():
            if (moved := await self._again(stream)) is not None:
                return moved
        return 0

    async def _go_on(self) -> int:
        """Send what comes next."""
        for file in self._spool.files:
            if rows := await self._next_rows(file):
                return await self._send(file, rows)
            await self._spool.settle(file)
            await self._spool.put_away(file)
        return 0

    async def _again(self, stream: Stream) -> int | None:
        """Send a stream's events that were passed over; ``None`` where there are none left."""
        limit = self.held_up.limit(stream, ROUND_EVENTS)
        for file in self._spool.files:
            rows = await self._passed_over(file, stream, limit)
            if rows is None:
                self.held_up.add(stream, UNREADABLE)
                return 0
            if rows:
                return await self._send(file, rows)
        self.held_up.release(stream)
        return None

    async def _passed_over(self, file: OpenFile, stream: Stream, limit: int) -> list[Row] | None:
        """Read the first events of a stream up to the cursor, past those that are only still here.

        However many those are: a stream that is let go has none left that anybody would look for.
        """
        after, events = 0, min(ROUND_EVENTS, limit + len(file.gone) + len(file.unreadable))
        while True:
            bounds = after, file.cursor
            read = partial(file.file.read_stream, stream, bounds, events, ROUND_BYTES)
            found = await self._spool.read(file, read)
            if not found:
                return found
            rows = [row for row in found if not file.is_done_with(row)][:limit]
            if rows:
                return rows
            after = found[-1].sequence

    async def _next_rows(self, file: OpenFile) -> list[Row]:
        """Read on, past what is not to be sent now."""
        while True:
            read = partial(file.file.read, file.cursor, ROUND_EVENTS, ROUND_BYTES)
            found = await self._spool.read(file, read)
            if not found:
                return []
            file.cursor = found[-1].sequence
            rows = [row for row in found if self._is_sendable(file, row)]
            if rows:
                return rows

    def _is_sendable(self, file: OpenFile, row: Row) -> bool:
        return row.stream not in self.held_up.streams and not file.is_done_with(row)

    async def _send(self, file: OpenFile, rows: Sequence[Row]) -> int:
        try:
            return await self._send_or_fail(file, rows)
        except BaseException:
            # Nothing else comes back to what is behind the cursor.
            file.cursor = min(file.cursor, rows[0].sequence - 1)
            raise

    async def _send_or_fail(self, file: OpenFile, rows: Sequence[Row]) -> int:
        due, now_ms, trips = self._readable(file, rows), self._spool.now_ms(), self._breaker.trips
        late = [each for each in due if is_late(each, now_ms)]
        try:
            found = await self._find(late) if late else set()
        except (RedisError, *UNKNOWN_OUTCOME) as error:
            if isinstance(error, UNKNOWN_OUTCOME):
                self._breaker.open()
            answers: list[Answer] = [error] * len(due)
        else:
            # Before it is sent: if all ends here, it is known that it may have been.
            await self._spool.settle(
                file,
                [(each.row.sequence, now_ms) for each in due if each.row.sequence not in found],
            )
            answers = await self._answers(due, found)
        return self._judge(file, due, answers, is_away=self._breaker.trips > trips)

    def _readable(self, file: OpenFile, rows: Sequence[Row]) -> list[Due]:
        due = []
        for row in rows:
            try:
                due.append(Due(row, decode(row.event)))
            except UnreadableRow:
                self._spool.set_aside(file, row)
        return due

    async def _answers(self, due: Sequence[Due], found: set[int]) -> list[Answer]:
        """Send what was not found, all without a pause, so that it goes in order."""
        sent: dict[int, asyncio.Future[Appended | Duplicate]] = {}
        refusal: TryLater | None = None
        for each in due:
            sequence = each.row.sequence
            if sequence not in found and refusal is None:
                try:
                    sent[sequence] = self._append(each.identified)
                except TryLater as error:  # and so it would be for those behind it
                    refusal = error
        results = await asyncio.gather(*sent.values(), return_exceptions=True)
        answers: dict[int, Answer] = dict(zip(sent, results, strict=True))
        answers |= {sequence: Duplicate("") for sequence in found}
        return [answers.get(each.row.sequence, refusal or StoreUnavailable()) for each in due]

    def _judge(
        self, file: OpenFile, due: Sequence[Due], answers: Sequence[Answer], *, is_away: bool
    ) -> int:
        """Count what is in its stream, and decide what to do about the rest."""
        refused: dict[Stream, BaseException] = {}
        first, moved = 0, 0
        for each, answer in zip(due, answers, strict=True):
            if isinstance(answer, BaseException):
                refused.setdefault(each.row.stream, answer)
                self.problem = answer
                first = first or each.row.sequence
            else:
                moved += 1
                self._spool.took(file, each.row)
                self.held_up.went(each.row.stream)
                self._spool.observer.drained(each.row.stream[0])
        for_all = is_away or any(type(error) in FOR_ALL for error in refused.values())
        if for_all and not self._spread:
            # It is sent again from there on, and those behind it are passed over that went.
            file.cursor = min(file.cursor, first - 1) if first else file.cursor
        else:
            self._hold_up(refused)
        return moved

    def _hold_up(self, refused: dict[Stream, BaseException]) -> None:
        news = [
            stream for stream, error in refused.items() if self.held_up.add(stream, word_of(error))
        ]
        for _ in refused:
            self._spool.observer.failed("refused")
        if news:
            tag, event_type = news[0]
            _log.error(
                "spool_streams_held_up",
                streams=len(news),
                tag=tag,
                type=event_type,
                error=self.held_up.reasons[news[0]],
            )
