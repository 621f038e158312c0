"""The spool of one process: events in, on the disk before that is said, and what is to be drained.

It has a file of its own for what comes, and those of dead processes that it has taken over. It
knows how much there is of each stream; it never sends anything.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from relay.contract.errors import ConfigurationFault, RelayError
from relay.contract.event import IdentifiedEvent, Spooled
from relay.contract.logs import Logger
from relay.spool.backlog import Backlog
from relay.spool.condition import Condition
from relay.spool.directory import Directory
from relay.spool.file import is_damaged
from relay.spool.observer import SpoolObserver
from relay.spool.open_file import OpenFile, Taken
from relay.spool.row import Row, encode, stream_of
from relay.spool.taking import NoFile, Taking

# A disk that hangs must not hold a delivery longer than its sender waits.
DISK_SECONDS = 3.0

# An empty file that is longer than this is replaced: its room is others' too.
LONG_FILE_BYTES = 16 * 1024 * 1024

# Below this part of what it may hold it counts as having room again.
ROOM_RATIO = 0.9

ResultT = TypeVar("ResultT")

_log = Logger("relay.spool")


class NotSpooled(RelayError):
    """The spool did not take the event: it is full, or its disk refuses it."""


class Spool:
    """Keeps events on this machine's disk.

    Args:
        directory: Where.
        max_bytes: How much this process may keep, what it took over included.
        observer: Is told what happened.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        max_bytes: int,
        observer: SpoolObserver | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self.backlog = Backlog()
        self.observer = observer or SpoolObserver()
        self._max_bytes = max_bytes
        self._clock = clock
        self._taking = Taking(directory)
        self._thread = ThreadPoolExecutor(1, "spool")
        self._own: OpenFile | None = None
        self._taken: list[OpenFile] = []
        self._condition = Condition(self.observer)
        # Of two files that are made at once, one would be forgotten with the events in it.
        self._making = asyncio.Lock()
        # The disk says nothing. More would only fill the memory, whose senders do not wait for it.
        self._hangs = False

    @property
    def files(self) -> list[OpenFile]:
        """All files that this process has, in the order in which they are to be drained."""
        return [*self._taken, self._own] if self._own is not None else list(self._taken)

    @property
    def events(self) -> int:
        """How many events are in them."""
        return self.backlog.events

    @property
    def size_bytes(self) -> int:
        """How much they take, nearly."""
        return sum(file.size_bytes for file in self.files)

    @property
    def oldest_seconds(self) -> float:
        """How long ago the oldest of them came; 0 where there is none."""
        times = [file.oldest_at_ms for file in self.files if file.oldest_at_ms is not None]
        return max(0.0, self._clock() - min(times) / 1000) if times else 0.0

    @property
    def is_writable(self) -> bool:
        """Whether it would take an event now, as far as it knows."""
        return (
            self._own is not None and self._condition.is_sound and self.size_bytes < self._max_bytes
        )

    def now_ms(self) -> int:
        """Give this machine's time, in ms since the epoch."""
        return int(self._clock() * 1000)

    async def start(self) -> None:
        """Make its file, and take over what dead processes have left.

        It never fails: without a file of its own it takes nothing, and tries again with `tend`.
        """
        with suppress(ConfigurationFault):  # what is wrong with it shows at once
            await self.in_thread(self.directory.prepare)
        await self.adopt()
        await self._have_own()

    async def adopt(self) -> None:
        """Take over what dead processes have left; from now on it counts."""
        try:
            own = {file.name for file in self.files}
            orphans = await self.in_thread(self._taking.take_orphans, own)
        except OSError as error:
            self._condition.failed(error)
            return
        for taken in orphans:
            file = OpenFile(taken, self._thread)
            self._taken.append(file)
            for each in taken.census:
                self.backlog.add(each.stream, each.events)
            if file.events:
                _log.info(
                    "spool_file_adopted",
                    file=f"{file.name}.db",
                    events=file.events,
                    bytes=file.size_bytes,
                )

    async def tend(self) -> None:
        """Do what is due every few seconds: take over, and find out whether the disk takes it."""
        await self.adopt()
        if self._own is not None:
            await self._try_own(self._own)
        await self._have_own()

    def keep(self, identified: IdentifiedEvent, *, tried: bool) -> asyncio.Future[Spooled]:
        """Put an event onto the disk, behind those of its stream that are there.

        Once called, the event goes its way even if the caller is cancelled.

        Args:
            identified: The event.
            tried: It was sent to the store, and what became of it is not known.

        Returns:
            To be awaited: `Spooled` when the disk has it. It may raise `NotSpooled`, also where the
            disk says nothing in time; then it may have the event, which is sent all the same.

        Raises:
            NotSpooled: There is no room, or nothing to write to.
        """
        own, row = self._own, self._row(identified, tried=tried)
        if own is None or self._hangs:
            raise NotSpooled
        if self.size_bytes + row.size_bytes > self._max_bytes:
            self._condition.full(self.events, self.size_bytes)
            raise NotSpooled
        own.last_sequence = row.sequence
        own.count(row)
        self.backlog.add(row.stream)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Spooled] = loop.create_future()
        # Ended by the disk alone: that a caller is gone says nothing about it.
        late = loop.call_later(DISK_SECONDS, self._late, answer)
        written = own.writer.keep(row)
        written.add_done_callback(lambda _: late.cancel())
        written.add_done_callback(partial(self._kept, own, row, answer))
        return answer

    async def read(self, file: OpenFile, read: Callable[[], list[Row]]) -> list[Row] | None:
        """Read rows of a file; ``None`` where the disk refuses, which is said once.

        Of one that is damaged there are none: it is set aside.
        """
        try:
            rows = await self.in_thread(read)
        except sqlite3.Error as error:
            if is_damaged(error):
                await self._set_aside_file(file, error)
                return []
            self.observer.failed("disk")
            if file.is_readable:
                file.is_readable = False
                said = getattr(error, "sqlite_errorname", type(error).__name__)
                _log.error("spool_file_unreadable", file=f"{file.name}.db", error=said)
            return None
        file.is_readable = True
        return rows

    def took(self, file: OpenFile, row: Row) -> None:
        """Count an event that is in its stream; its row is removed with the next `settle`."""
        file.gone.add(row.sequence)
        if row.sequence in file.refused:
            file.refused.remove(row.sequence)
            return
        file.discount(row)
        self.backlog.take(row.stream)
        if self.size_bytes < ROOM_RATIO * self._max_bytes:
            self._condition.has_room()

    def set_aside(self, file: OpenFile, row: Row) -> None:
        """Leave a row that nobody can read where it is, so that it holds up nothing."""
        file.unreadable.add(row.sequence)
        file.discount(row)
        self.backlog.take(row.stream)
        self.observer.failed("unreadable_row")
        _log.error("spool_row_unreadable", file=f"{file.name}.db", sequence=row.sequence)

    async def settle(self, file: OpenFile, tried: list[tuple[int, int]] | None = None) -> None:
        """Remove what is in its stream, and note what is about to be sent.

        Where the disk refuses, what is in its stream is found there again: nothing is lost by it,
        and the next time takes it along.
        """
        gone = set(file.gone)
        if file not in self.files or not (gone or tried):  # it was set aside meanwhile
            return
        loop = asyncio.get_running_loop()
        late = loop.call_later(DISK_SECONDS, self._condition.failed, TimeoutError())
        try:
            await file.writer.settle(tried=tried or (), gone=list(gone))
            oldest_at_ms = await self.in_thread(file.file.first_at_ms)
        except (sqlite3.Error, OSError) as error:
            self._failed(file, error)
            return
        finally:
            late.cancel()
        file.gone -= gone
        if file.events and oldest_at_ms is not None:
            file.oldest_at_ms = oldest_at_ms
        self._condition.works()

    async def put_away(self, file: OpenFile) -> None:
        """Remove a file that has nothing left, or replace one's own where it holds room."""
        if file.events or file.unreadable or file not in self.files:
            return
        if file is not self._own:
            self._taken.remove(file)
        elif not await self._holds_room(file) or file.events:
            return
        else:
            self._own = None
            await self._have_own()
        await file.writer.finish()
        await self._remove(file)
        # On a full disk there is room for another only now.
        await self._have_own()

    async def finish(self) -> None:
        """Write what waits, and let go of every file; what is empty is removed."""
        for file in self.files:
            await self.settle(file)
            await file.writer.finish()
            if file.events or file.unreadable:
                await self.in_thread(file.file.close)
                file.lock.release()
            else:
                await self._remove(file)
        if self.events:
            _log.warning("spool_left", events=self.events, bytes=self.size_bytes)
        self._own, self._taken = None, []
        self._thread.shutdown()

    async def in_thread(self, work: Callable[..., ResultT], *arguments: Any) -> ResultT:  # noqa: ANN401 - the work's own
        """Do something with files where all of it is done."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, work, *arguments)

    def _row(self, identified: IdentifiedEvent, *, tried: bool) -> Row:
        now_ms = self.now_ms()
        sequence = 1 + (self._own.last_sequence if self._own is not None else 0)
        try:
            event = encode(identified)
        except ValueError:
            # The store would not take it either.
            raise NotSpooled from None
        return Row(sequence, stream_of(identified), event, now_ms, now_ms if tried else None)

    def _kept(
        self,
        own: OpenFile,
        row: Row,
        answer: asyncio.Future[Spooled],
        written: asyncio.Future[None],
    ) -> None:
        self._hangs = False
        error = written.exception()
        if error is None:
            self._condition.works()
            self.observer.spooled(row.stream[0])
        else:
            own.discount(row)
            self.backlog.take(row.stream)
            if isinstance(error, OSError):
                own.refused.add(row.sequence)
            self._failed(own, error)
        if answer.done():
            return
        if error is None:
            answer.set_result(Spooled())
        else:
            answer.set_exception(NotSpooled())

    def _late(self, answer: asyncio.Future[Spooled]) -> None:
        """Let go who has waited for too long; what was handed to the disk goes its way."""
        self._hangs = True
        self._condition.failed(TimeoutError())
        if not answer.done():
            answer.set_exception(NotSpooled())

    async def _try_own(self, own: OpenFile) -> None:
        """Find out whether the disk takes what is written, and whether that can be found."""
        try:
            await self.in_thread(own.file.check_name)
            if not self._condition.is_sound:
                # Sequence 0 is no event's.
                await own.writer.settle(tried=[(0, self.now_ms())])
        except (sqlite3.Error, OSError) as error:
            if own is self._own:  # else it was put away meanwhile
                self._failed(own, error)
        else:
            self._condition.works()

    def _failed(self, file: OpenFile, error: BaseException) -> None:
        """Take note of what the disk refused; a file to which no more can be written is replaced.

        What is in it is sent by this process, while it can be read.
        """
        self._condition.failed(error)
        is_lost = isinstance(error, FileNotFoundError) or is_damaged(error)
        if is_lost and file is self._own:
            self._taken.append(file)
            self._own = None

    async def _set_aside_file(self, file: OpenFile, error: BaseException) -> None:
        """Leave a file in which something cannot be read, so that it holds up nothing else."""
        if file is self._own:
            self._failed(file, error)
        else:
            self.observer.failed("disk")
        if file not in self._taken:
            return
        self._taken.remove(file)
        # First, since until its events are no longer counted newcomers are kept behind them.
        await self._have_own()
        await file.writer.finish()
        for stream, events in file.streams.items():
            self.backlog.take(stream, events)
        await self.in_thread(self._taking.set_aside, file.name, file.lock, file.file, error)

    async def _have_own(self) -> None:
        async with self._making:
            if self._own is not None:
                return
            try:
                self._own = await self._made()
            except NoFile as error:
                # What the system said of it, where that is why.
                self._condition.failed(error.__cause__ or error)
            else:
                self._condition.works()

    async def _holds_room(self, file: OpenFile) -> bool:
        """Tell whether an empty file has grown long, or has rows that the disk did not let go."""
        return bool(file.gone) or await self.in_thread(file.file.disk_bytes) > LONG_FILE_BYTES

    async def _made(self) -> OpenFile:
        taken: Taken = await self.in_thread(self._taking.make)
        return OpenFile(taken, self._thread)

    async def _remove(self, file: OpenFile) -> None:
        try:
            await self.in_thread(self._taking.remove, file.lock, file.file)
        except OSError as error:
            self._condition.failed(error)
