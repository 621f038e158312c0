"""Appends events while the store takes them, and keeps them on the disk while it does not.

In front of the appender, with the same call. After a failed flush the events of its server go
straight to the disk while that is asked now and then; what is there goes first, in its order.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial

from redis.asyncio import Redis

from relay.append import Appender
from relay.contract.duties import Duties, to_its_end
from relay.contract.errors import Overloaded, StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent, Spooled
from relay.contract.logs import Logger
from relay.spool.asking import Asking
from relay.spool.backlog import Result
from relay.spool.breaker import Breakers
from relay.spool.drain import ROUND_EVENTS, Drain, Find
from relay.spool.row import stream_of
from relay.spool.spool import NotSpooled, Spool

# Trouble that passes by itself, and that the sender need not hear of: of these kinds exactly. A
# rate or a cap that the operator has set is meant to be felt.
KEPT_INSTEAD = (StoreUnavailable, StoreFull, Overloaded)
TEND_SECONDS = 3.0
# So long newcomers wait for the last of their stream, and for the round that is under way then;
# what takes longer, as many long events do, is waited for on the disk.
LINE_SECONDS = 0.5
# A delivery has as long as it may wait for the store, and so much more for the disk: were each wait
# bounded for itself, they would add up to more than its sender waits.
DISK_MORE_SECONDS = 1.0
# At the end, for what is left; more is drained by whoever comes.
LAST_TRY_SECONDS = 1.0

_log = Logger("relay.spool")


class Spooling:
    """Takes events, whatever the store does.

    Args:
        appender: Stores them.
        spool: Keeps them.
        find: Gives the sequences of rows, sent long ago, that are in their streams.
        spread: The store is several servers, see `Drain`.
    """

    def __init__(
        self, appender: Appender, spool: Spool, find: Find, *, spread: bool = False
    ) -> None:
        self._appender = appender
        self._spool = spool
        self._backlog = spool.backlog
        self._breakers = Breakers(appender.server_of)
        self._asking = Asking(self._breakers, self._probe)
        # What was accepted while its stream had room must get in, cap or not.
        into_stream = partial(appender.append, past_caps=True)
        self._drain = Drain(spool, into_stream, find, self._breakers, spread=spread)
        self._duties = Duties()
        self._work = asyncio.Event()
        self._drained = asyncio.Event()
        self._is_told = False
        self._lined_up_at = 0.0
        # The disk keeps those who wait in line. More would only fill the memory.
        self._line_hangs = False

    async def append(self, identified: IdentifiedEvent) -> Appended | Duplicate | Spooled:
        """Store an event, or keep it on the disk until the store takes it.

        Raises:
            StoreUnavailable, StoreFull, Overloaded: The store does not take it, nor does the disk.
            TryLater: It is not to be taken, by the operator's own wish.
        """
        since = time.monotonic()
        breakers = self._breakers
        if (breakers.any_open and breakers.is_open(identified.tag)) or (
            stream_of(identified) in self._backlog
        ):
            return await self._behind(identified, since)
        try:
            return await self._appender.append(identified)
        except KEPT_INSTEAD as error:
            return await self._instead(identified, error, since)

    @property
    def takes_events(self) -> bool:
        """Whether an event would be kept now if the store did not take it."""
        return self._spool.is_writable

    def failed(self, give_up: Callable[[], None], server: Hashable = None) -> None:
        """A server has failed: from now on nothing is sent there before it answers again.

        Args:
            give_up: Answers those who wait already; they are kept too, and need not wait longer.
            server: Which, as the appender's `server_of` names it.
        """
        self._breakers.open(server)
        self._work.set()
        give_up()

    async def start(self) -> None:
        """Take over what dead processes have left, and begin to drain.

        When it returns, what is left is counted: no event of its streams can overtake it.
        """
        await self._spool.start()
        self._is_told = bool(self._spool.events)
        self._duties.start("spool-ask", self._asking.run)
        self._duties.start("spool-drain", self._run)
        self._duties.start("spool-tend", self._tend)

    async def stop(self) -> None:
        """Try once more to send what is left, and leave the rest on the disk."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0 if self._drain.is_vain else LAST_TRY_SECONDS):
                await self._drained.wait()
        await self._duties.stop()
        self._dissolve_lines(all_of_them=True, to_store=False)
        await self._spool.finish()

    async def _run(self) -> None:
        while True:
            # What was sent shall be counted, so a step is not broken off.
            if await to_its_end(self._step()):
                continue
            if self._spool.events or self._breakers.any_open:
                await self._rest()
            else:
                self._work.clear()
                self._drained.set()
                await self._work.wait()
                self._drained.clear()

    async def _rest(self) -> None:
        """Wait for a moment, and no longer when a server answers again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._breakers.pause_seconds()):
                await self._asking.answered.wait()

    async def _step(self) -> int:
        """Send some of what there is, where a server answers, and say how much went."""
        self._asking.answered.clear()
        if self._breakers.any_open:
            # Those of the step before: their server may have failed since, and is away for long.
            self._dissolve_lines(all_of_them=False)
            if self._drain.is_vain:
                return 0
        if self._drain.sendable <= ROUND_EVENTS:
            self._form_lines()
        moved = 0
        try:
            moved = await self._drain.round()
        finally:
            all_of_them = not moved or time.monotonic() - self._lined_up_at > LINE_SECONDS
            self._dissolve_lines(all_of_them=all_of_them)
        self._say_if_drained()
        return moved

    async def _probe(self, server: Redis) -> None:
        """Ask a server, also one that has left over events only, of what is configured no more."""
        await self._appender.probe_server(server, {tag for tag, _ in self._backlog.streams})

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_SECONDS)
            # What was taken over shall be known, so it is not broken off either.
            await to_its_end(self._spool.tend())
            if self._spool.events:
                self._work.set()

    async def _behind(
        self, identified: IdentifiedEvent, since: float
    ) -> Appended | Duplicate | Spooled:
        """Send an event behind those of its stream that are on the disk."""
        if self._line_hangs and self._backlog.has_line(stream_of(identified)):
            raise StoreUnavailable("away")
        turn = self._backlog.join(identified)
        if turn is None:
            return await self._instead(identified, StoreUnavailable("away"), since, tried=False)
        try:
            return await self._in_turn(turn, since)
        except NotSpooled:
            raise StoreUnavailable("away") from None
        except KEPT_INSTEAD as error:
            return await self._instead(identified, error, since)

    async def _in_turn(
        self, turn: asyncio.Future[Result], since: float
    ) -> Appended | Duplicate | Spooled:
        """Wait for one's turn and what comes of it, in time; the event goes its way all the same.

        Raises:
            NotSpooled: That was not in time, or the disk has refused it.
        """
        try:
            async with self._in_time(since):
                return await (await turn)
        except TimeoutError:
            # A turn that was given says that the line goes on, and nobody would say so again.
            self._line_hangs = self._line_hangs or turn.cancelled()
            raise NotSpooled from None

    async def _instead(
        self, identified: IdentifiedEvent, error: TryLater, since: float, *, tried: bool = True
    ) -> Spooled:
        """Keep an event on the disk, or raise why it should have been kept."""
        if type(error) not in KEPT_INSTEAD:
            raise error
        try:
            # What a store without room refused is not there.
            tried = tried and isinstance(error, StoreUnavailable)
            kept = self._keep(identified, tried=tried, reason=error.reason)
            async with self._in_time(since):
                return await kept
        except (NotSpooled, TimeoutError):
            raise error from None

    def _in_time(self, since: float) -> asyncio.Timeout:
        """Give a block that ends while the sender of a delivery still waits.

        Args:
            since: When it came, on the monotonic clock.
        """
        left = since + self._appender.deadline_seconds + DISK_MORE_SECONDS - time.monotonic()
        return asyncio.timeout(left)

    def _keep(
        self, identified: IdentifiedEvent, *, tried: bool, reason: str
    ) -> asyncio.Future[Spooled]:
        kept = self._spool.keep(identified, tried=tried)
        if not self._is_told:
            self._is_told = True
            _log.warning("spooling_began", reason=reason)
        self._work.set()
        return kept

    def _form_lines(self) -> None:
        if not self._backlog.lines:
            self._lined_up_at = time.monotonic()
        is_open = self._breakers.is_open
        away = {stream for stream in self._backlog.streams if is_open(stream[0])}
        self._backlog.form_lines(away | self._drain.held_up.streams)

    def _dissolve_lines(self, *, all_of_them: bool, to_store: bool = True) -> None:
        """Let those go who waited for the last of their stream, in the order in which they came."""
        self._line_hangs = False
        for stream in self._backlog.lines:
            is_open = self._breakers.is_open(stream[0])
            are_first = to_store and not is_open and not self._backlog.count(stream)
            if are_first or all_of_them or is_open or stream in self._drain.held_up:
                for identified, turn in self._backlog.dissolve(stream):
                    _tell_turn(turn, self._go(identified, to_store=are_first))

    def _go(self, identified: IdentifiedEvent, *, to_store: bool) -> Result:
        try:
            if to_store:
                return self._appender.append(identified)
            return self._keep(identified, tried=False, reason=StoreUnavailable.reason)
        except (TryLater, NotSpooled, ValueError) as error:
            # Also what cannot be written down: all behind it in its line must still be told.
            refused: asyncio.Future[Spooled] = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            return refused

    def _say_if_drained(self) -> None:
        if self._is_told and not self._spool.events:
            self._is_told = False
            _log.info("spool_drained")


def _tell_turn(turn: asyncio.Future[Result], result: Result) -> None:
    if turn.done():  # the caller is gone; its event goes its way all the same
        result.add_done_callback(lambda gone: gone.cancelled() or gone.exception())
    else:
        turn.set_result(result)
