"""Sends what is in the spool to the store, in order, and removes what is confirmed.

An event is removed only after the append has confirmed it, at the durability that any event has.
If anything stops this between the two, the event is sent again and found to be a duplicate. What
the store refuses holds up its own stream only.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial

from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, word_of
from relay.contract.errors import Overloaded, StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.logs import Logger
from relay.spool.batch import Batch
from relay.spool.breaker import Breakers
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
        breakers: Say which servers are away: nothing is tried there.
        spread: The store is several servers: what one refuses another may take, so nothing that
            is refused holds up more than its own stream.
    """

    def __init__(
        self,
        spool: Spool,
        append: Append,
        find: Find,
        breakers: Breakers,
        *,
        spread: bool = False,
    ) -> None:
        self._spool = spool
        self._append = append
        self._find = find
        self._breakers = breakers
        self._spread = spread
        self.held_up = HeldUp()
        # Why an event was not taken that was sent last and was not.
        self.problem: BaseException | None = None

    @property
    def sendable(self) -> int:
        """How many events there are whose stream is not held up, nor its server away."""
        backlog = self._spool.backlog
        streams = (each for each in backlog.streams if each not in self.held_up)
        return sum(backlog.count(each) for each in streams if not self._is_away(each))

    @property
    def is_vain(self) -> bool:
        """Whether all that could be sent is for servers that are away."""
        if not self._breakers.any_open or self._breakers.answering:
            return False
        return all(map(self._is_away, self._spool.backlog.streams))

    async def round(self) -> int:
        """Send some events, and say how many of them are in their streams now.

        However many streams are held up, they never take the place of those that are not. A server
        that has answered is sent to again by everybody after it, unless it has failed meanwhile.
        """
        answering, trips = self._breakers.answering, self._breakers.trips
        try:
            moved = await self._retry()
            # Of several the others go on, though one fails whenever it is tried.
            if self._spread or self._breakers.trips == trips:
                moved += await self._go_on()
        finally:
            for server in answering:
                self._breakers.close(server)
        return moved

    async def _retry(self) -> int:
        """Send of the streams that have waited longest for another try, as many as go together.

        One for itself would have thousands wait for each other, and come in faster than they go.
        """
        batch = Batch(ROUND_EVENTS, ROUND_BYTES)
        for stream in self.held_up.due():
            if not self._is_away(stream) and not await self._add_stream(batch, stream):
                break
        if batch.file is None:
            return 0
        moved = await self._send(batch.file, batch.in_order())
        await self._release_ended(batch.file, batch)
        return moved

    async def _add_stream(self, batch: Batch, stream: Stream) -> bool:
        """Have a stream's first events go with a batch, and say whether there is room for more."""
        limit = self.held_up.limit(stream, batch.room)
        for file in self._spool.files:
            rows = await self._passed_over(file, stream, limit)
            if rows is None:
                self.held_up.add(stream, UNREADABLE)
                return False
            if rows:
                return batch.add(file, rows)
        self.held_up.release(stream)
        return True

    async def _release_ended(self, file: OpenFile, batch: Batch) -> None:
        """Let those go at once of which all went.

        Before anything more is passed over: a stream that gets events all the time would be held
        up for ever.
        """
        for stream, rows in batch.streams.items():
            has_gone = all(map(file.is_done_with, rows))
            if has_gone and not await self._is_more_over(stream, file, rows[-1].sequence):
                self.held_up.release(stream)

    async def _is_more_over(self, stream: Stream, file: OpenFile, after: int) -> bool:
        """Tell whether more of a stream was passed over than what one file has up to a sequence."""
        for each in self._spool.files:
            begin = after if each is file else 0
            if each.streams[stream] and await self._passed_over(each, stream, 1, after=begin) != []:
                return True
        return False

    async def _go_on(self) -> int:
        """Send what comes next."""
        for file in self._spool.files:
            if rows := await self._next_rows(file):
                return await self._send(file, rows)
            await self._spool.settle(file)
            await self._spool.put_away(file)
        return 0

    async def _passed_over(
        self, file: OpenFile, stream: Stream, limit: int, *, after: int = 0
    ) -> list[Row] | None:
        """Read the first events of a stream up to the cursor, past those that are only still here.

        However many those are: a stream that is let go has none left that anybody would look for.
        """
        events = min(ROUND_EVENTS, limit + len(file.gone) + len(file.unreadable))
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
            if self._spread:
                self._pass_over({row.stream for row in found if self._is_away(row.stream)})
            rows = [row for row in found if self._is_sendable(file, row)]
            if rows:
                return rows

    def _is_sendable(self, file: OpenFile, row: Row) -> bool:
        return row.stream not in self.held_up and not file.is_done_with(row)

    def _is_away(self, stream: Stream) -> bool:
        return self._breakers.is_away(stream[0])

    async def _send(self, file: OpenFile, rows: Sequence[Row]) -> int:
        try:
            return await self._send_or_fail(file, rows)
        except BaseException:
            # Nothing else comes back to what is behind the cursor.
            file.cursor = min(file.cursor, rows[0].sequence - 1)
            raise

    async def _send_or_fail(self, file: OpenFile, rows: Sequence[Row]) -> int:
        due, now_ms, trips = self._readable(file, rows), self._spool.now_ms(), self._breakers.trips
        found, failed = await self._look_up([each for each in due if is_late(each, now_ms)])
        asked = [each for each in due if each.tag not in failed and not self._is_away(each.stream)]
        # Before it is sent: if all ends here, it is known that it may have been.
        await self._spool.settle(
            file,
            [(each.row.sequence, now_ms) for each in asked if each.row.sequence not in found],
        )
        answers = await self._answers(asked, found)
        for each in due:
            not_asked = failed.get(each.tag) or StoreUnavailable("away")
            answers.setdefault(each.row.sequence, not_asked)
        return self._judge(file, due, answers, trips)

    async def _look_up(self, late: Sequence[Due]) -> tuple[set[int], dict[str, Exception]]:
        """Find those, sent long ago, that are in their streams; and tags of which nobody says."""
        servers: defaultdict[Hashable, list[Due]] = defaultdict(list)
        for each in late:
            servers[self._breakers.server_of(each.tag)].append(each)
        results = await asyncio.gather(*map(self._look_up_at, servers, servers.values()))
        found = {sequence for some, _ in results for sequence in some}
        return found, {tag: error for _, failed in results for tag, error in failed.items()}

    async def _look_up_at(
        self, server: Hashable, late: Sequence[Due]
    ) -> tuple[set[int], dict[str, Exception]]:
        try:
            return await self._find(late), {}
        except (RedisError, *UNKNOWN_OUTCOME) as error:
            if isinstance(error, UNKNOWN_OUTCOME):
                self._breakers.open(server)
            return set(), {each.tag: error for each in late}

    def _readable(self, file: OpenFile, rows: Sequence[Row]) -> list[Due]:
        due = []
        for row in rows:
            try:
                due.append(Due(row, decode(row.event)))
            except UnreadableRow:
                self._spool.set_aside(file, row)
        return due

    async def _answers(self, due: Sequence[Due], found: set[int]) -> dict[int, Answer]:
        """Send what was not found, all without a pause, so that it goes in order."""
        sent: dict[int, asyncio.Future[Appended | Duplicate]] = {}
        answers: dict[int, Answer] = {sequence: Duplicate("") for sequence in found}
        refusals: dict[str, TryLater] = {}
        for each in due:
            sequence = each.row.sequence
            if sequence in found:
                continue
            try:
                if each.tag not in refusals:
                    sent[sequence] = self._append(each.identified)
            except TryLater as error:  # and so it would be for those behind it on its server
                refusals[each.tag] = error
            if each.tag in refusals:
                answers[sequence] = refusals[each.tag]
        results = await asyncio.gather(*sent.values(), return_exceptions=True)
        return answers | dict(zip(sent, results, strict=True))

    def _judge(
        self, file: OpenFile, due: Sequence[Due], answers: Mapping[int, Answer], trips: int
    ) -> int:
        """Count what is in its stream, and decide what to do about the rest."""
        refused: dict[Stream, BaseException] = {}
        first, moved = 0, 0
        for each in due:
            answer = answers[each.row.sequence]
            if isinstance(answer, BaseException):
                refused.setdefault(each.stream, answer)
                self.problem = answer
                first = first or each.row.sequence
            else:
                moved += 1
                self._spool.took(file, each.row)
                self.held_up.went(each.stream)
                self._spool.observer.drained(each.tag)
        is_away = self._breakers.trips > trips or bool(self._breakers.away)
        for_all = is_away or any(type(error) in FOR_ALL for error in refused.values())
        if for_all and not self._spread:
            # It is sent again from there on, and those behind it are passed over that went.
            file.cursor = min(file.cursor, first - 1) if first else file.cursor
        else:
            self._hold_up(refused, trips)
        return moved

    def _hold_up(self, refused: dict[Stream, BaseException], trips: int) -> None:
        failed = self._breakers.has_failed_since
        # One that has answered since refused nothing either.
        away = {each for each in refused if self._is_away(each) or failed(each[0], trips)}
        self._pass_over(away)
        news = []
        for stream in refused.keys() - away:
            self._spool.observer.failed("refused")
            if self.held_up.add(stream, word_of(refused[stream])):
                news.append(stream)
        if news:
            tag, event_type = news[0]
            _log.error(
                "spool_streams_held_up",
                streams=len(news),
                tag=tag,
                type=event_type,
                error=self.held_up.reasons[news[0]],
            )

    def _pass_over(self, streams: Iterable[Stream]) -> None:
        """Come back to streams when their server is there; that it is away was said by itself."""
        for stream in streams:
            self.held_up.pass_over(stream, word_of(StoreUnavailable()))
