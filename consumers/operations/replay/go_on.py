"""Does a replay, from wherever it is: page by page, each stream in its turn."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from redis.asyncio import Redis

from consumers.operations.insist import insist
from consumers.operations.pace import Pace
from consumers.operations.progress import Report, unheard
from consumers.operations.replay.begin import complete
from consumers.operations.replay.book import KEEP_MS, Heading, read_books, read_state
from consumers.operations.replay.hold import Hold, ReplayGoesOn
from consumers.operations.replay.memory import STOP_RATIO, WAIT_RATIO, memory_of
from consumers.operations.replay.parts import (
    Part,
    Replayed,
    copies_of,
    parts_in,
    progress_of,
    sum_up,
)
from consumers.operations.replay.wanted import ReplayRefused, Wanted, parts_of
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, ResponseError, text_of
from relay.contract.control import tell_of_again
from relay.contract.keys import Keys
from relay.contract.registry import known_tags
from relay.contract.script import Script
from relay.contract.stream import Stream

# One call copies so many, looks at so many, and ends after so many bytes: it keeps the server for
# about a millisecond.
COPIES_PER_CALL = 64
LOOKS_PER_CALL = 64
BYTES_PER_CALL = 256 * 1024
# So many copies may wait to be read, over all streams: a replay is to be no second backlog.
AHEAD = 20_000
WAIT_SECONDS = 0.5
# Memory is asked for at each turn, and no oftener than this.
MEMORY_SECONDS = 0.2
# A slow replay outlives the week for which books are kept.
RENEW_SECONDS = 3600.0

Why = Literal["memory", "handlers", "another"]
Waiting = Callable[[Why], None]

_copy = Script(
    "consumers",
    "waiting/member",
    "waiting/group",
    "operations/replay/entries",
    "operations/replay/copy",
)


class StoreTooFull(ReplayRefused):
    """The store has no room for copies; what was copied stays, and the rest can follow later."""


async def continue_replay(
    redis: Redis,
    keys: Keys,
    name: str,
    *,
    per_second: float | None = None,
    report: Report = unheard,
    waiting: Waiting = lambda _: None,
) -> Replayed:
    """Copy what a replay means and has not copied yet, until nothing is left.

    It may be interrupted at any moment and called again: each entry is copied once, since the copy
    and how far the replay has come are written in one step.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        name: From `start_replay`.
        per_second: At most so many copies, above 0; none for as fast as it goes.
        report: Is told after each page how far it has come.
        waiting: Is told, each time it begins to wait, for what: room in the store's ``memory``,
            that the ``handlers`` read what was copied, or whether ``another``, which has not let
            go of it, goes on with it or was killed.

    Raises:
        ReplayGoesOn: Somebody else goes on with it.
        ReplayRefused: There is no such replay, or it was begun anew elsewhere.
        StoreTooFull: The store is so full that the gateway takes no events either.
        RedisError, OSError: The store refuses it, or was away for a minute.
    """
    parts_of(name)
    tags, _ = await insist(partial(known_tags, redis, keys))
    books, _ = await insist(partial(read_books, redis, keys, name, tags))
    if not books:
        raise ReplayRefused(
            f"No replay {name} is known: it was never begun, or nobody went on with it for a week."
        )
    await complete(redis, keys, name, books)
    heading, tags = next(iter(books.values())).heading, sorted(books)
    pause_ms = round(1000 / per_second) if per_second else 0
    hold = Hold(redis=redis, keys=keys, name=name, run=heading.run, tags=tags, pause_ms=pause_ms)
    try:
        await hold.take(lambda: waiting("another"))
        # Only now nobody else copies, so that what the books say is all there is.
        books, _ = await insist(partial(read_books, redis, keys, name, tags))
        parts = parts_in(books, keys)
        run = _Run(redis, keys, name, heading, parts, Pace(per_second), hold)
        await run.to_the_end(report, waiting)
    finally:
        # Where that fails it is let go by itself.
        with suppress(RedisError, OSError):
            await hold.let_go()
    return sum_up(name, heading.wanted, parts)


@dataclass(slots=True)
class _Run:
    redis: Redis
    keys: Keys
    name: str
    heading: Heading
    parts: list[Part]
    pace: Pace
    hold: Hold
    _renew_at: float = 0.0
    _memory_at: float = 0.0

    async def to_the_end(self, report: Report, waiting: Waiting) -> None:
        """Give each stream its turn until none has anything left."""
        waits: Why | None = None
        while open_parts := self._open():
            await self.hold.renew()
            await self._renew()
            why = (
                "memory" if await self._memory_is_short() else await self._turn(open_parts, report)
            )
            if why and why != waits:
                waiting(why)
            if why:
                await asyncio.sleep(WAIT_SECONDS)
            waits = why

    @property
    def wanted(self) -> Wanted:
        return self.heading.wanted

    def _left(self) -> int:
        """Say how many copies may be made in one call."""
        if self.wanted.limit is None:
            return COPIES_PER_CALL
        return min(COPIES_PER_CALL, self.wanted.limit - copies_of(self.parts))

    def _open(self) -> list[Part]:
        if self._left() <= 0:
            return []
        return [part for part in self.parts if part.state.next and not part.fault]

    async def _turn(self, open_parts: list[Part], report: Report) -> Why | None:
        """Copy a page of each stream; say what there is to wait for, where none went on."""
        went = False
        ahead = max(2 * COPIES_PER_CALL, AHEAD // len(open_parts))
        for part in open_parts:
            if self._left() <= 0:
                break
            await self.pace.wait()
            # A turn of many streams takes longer than it is held.
            await self.hold.renew()
            went |= await self._page(part, ahead)
            report(progress_of(self.parts, self.wanted))
        return None if went else "handlers"

    async def _page(self, part: Part, ahead: int) -> bool:
        """Copy a page of one stream; false where its group has to read first."""
        copied = part.state.copied
        try:
            answer, _ = await insist(partial(self._ask, part, ahead))
        except ResponseError as error:
            part.fault = str(error)
            return True
        what, text, made, refusal = answer
        if what == b"taken":
            raise ReplayGoesOn(f"Another process has gone on with {self.name} meanwhile.")
        if what == b"left":
            part.fault = f"{self.wanted.group} does not read it any more: it was removed"
            return True
        if what == b"over" or not text:
            raise ReplayRefused(f"Another run of {self.name} has begun, or its book was deleted.")
        part.text, part.state = text, read_state(text)
        part.fault = text_of(refusal)
        self.pace.spend(part.state.copied - copied)
        if made:
            await self._tell(part.stream)
        return bool(what != b"ahead")

    async def _ask(self, part: Part, ahead: int) -> Any:  # noqa: ANN401 - a script's reply
        group, digits = parts_of(self.name)
        tag, event_type = part.stream.tag, part.stream.event_type
        again, book = self.keys.again(tag, group, event_type), self.keys.replay(tag, group, digits)
        return await _copy(
            self.redis,
            [part.stream.key, again, book],
            group,
            event_type,
            self.heading.run,
            self.hold.by,
            part.text,
            self.pace.share(self._left()),
            LOOKS_PER_CALL,
            BYTES_PER_CALL,
            ahead,
            *self.wanted.filter_arguments,
        )

    async def _tell(self, stream: Stream) -> None:
        # Who is not told finds the stream within ten seconds.
        with suppress(ResponseError, *UNKNOWN_OUTCOME):
            await tell_of_again(self.redis, self.keys, stream, self.wanted.group)

    async def _renew(self) -> None:
        """Keep all books as long as any of them, also those of tags that are done."""
        now = asyncio.get_running_loop().time()
        if now < self._renew_at:
            return
        self._renew_at = now + RENEW_SECONDS
        group, digits = parts_of(self.name)
        for tag in self.heading.tags:
            key = self.keys.replay(tag, group, digits)
            await insist(partial(self.redis.pexpire, key, KEEP_MS))

    async def _memory_is_short(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._memory_at:
            return False
        memory, _ = await insist(partial(memory_of, self.redis))
        if memory.ratio >= STOP_RATIO:
            raise StoreTooFull(
                f"The store's memory is at {memory.ratio:.0%}, where the gateway takes no events "
                f"either. {copies_of(self.parts)} were copied; make room, then: "
                f"relay replay --resume {self.name}"
            )
        short = memory.ratio >= WAIT_RATIO
        self._memory_at = now if short else now + MEMORY_SECONDS
        return short
