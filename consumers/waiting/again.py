"""Brings back what waits long, when it is due, into a stream that its group reads again.

One process at a time does so for a tag and group. It also looks after both places: each entry
that waits has a due time, and what was read again and settled is removed.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import structlog

from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.skips import Skips
from consumers.tags import in_each, time_ms
from consumers.turn import Turn
from relay.contract.connect import ResponseError, text_of
from relay.contract.control import tell_of_again
from relay.contract.keys import UNIDENTIFIED
from relay.contract.script import Script
from relay.contract.stream import Stream

POLL_SECONDS = 1.0
TIDY_SECONDS = 10.0
REMIND_SECONDS = 60.0
LEASE_MS = 10_000
PAGE = 256
# One call moves so many entries, and ends after so many bytes: it keeps the server for about a
# millisecond.
CALL = 64
BYTES_PER_CALL = 256 * 1024
# Entries are looked at with their bodies, so only a few at a time.
REMIND_PAGE = 16
# So many entries leave a stream in one step.
TIDY_STEP = 1000

_again = Script("consumers", "waiting/member", "waiting/group", "waiting/again")
_remind = Script("consumers", "waiting/member", "waiting/remind")
_tidy = Script("consumers", "waiting/member", "waiting/tidy")
_log = structlog.get_logger("consumers.waiting.again")


class Returns:
    """Brings entries back for this process's group.

    Args:
        us: This process.
        routes: Knows which streams this process reads.
        tags: Gives the tags known now.
    """

    def __init__(self, us: Consumer, *, routes: Routes, tags: Callable[[], Iterable[str]]) -> None:
        self._us = us
        self._routes = routes
        self._tags = tags
        self._skips = Skips("later")
        self._tidying_skips = Skips("later")

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        tidy_at = remind_at = time.monotonic()
        while True:
            await asyncio.sleep(POLL_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
            now = time.monotonic()
            if now >= remind_at:
                await self._in_each_tag(self.remind)
                remind_at = now + REMIND_SECONDS
            await self.look()
            if now >= tidy_at:
                await self.tidy()
                tidy_at = now + TIDY_SECONDS

    async def look(self) -> None:
        """Bring back what is due in every tag."""
        await self._in_each_tag(self._bring_back)

    async def remind(self, tag: str) -> None:
        """Give every entry of a tag that waits a due time: its own, which it holds as well.

        Args:
            tag: Where. Its entries are looked at only where they and their due times differ in
                number: a due time without an entry goes when it is reached.
        """
        keys = [self._later(tag), self._due(tag)]
        waiting, due = await self._us.redis.xlen(keys[0]), await self._us.redis.zcard(keys[1])
        if waiting <= due:
            return
        ours = self._turn(tag)
        if not await ours.take():
            return
        behind, missing = "0-0", 0
        try:
            while behind and await ours.keep():
                last, found = await _remind(self._us.redis, keys, behind, REMIND_PAGE)
                behind, missing = last.decode(), missing + found
        finally:
            await ours.give_back()
        if missing:
            _log.warning("due_times_restored", tag=tag, entries=missing)

    async def tidy(self) -> None:
        """Remove what was given again and is settled, and streams with nothing left in them."""
        given: dict[str, list[Stream]] = {}
        for stream, _ in self._routes.streams.values():
            if stream.again:
                given.setdefault(stream.tag, []).append(stream)
        await in_each(self._us, given, lambda tag: self._tidy(given[tag]), self._tidying_skips)

    async def _tidy(self, streams: list[Stream]) -> None:
        for stream in streams:
            answer = b"more"
            try:
                while answer == b"more":
                    answer = await _tidy(self._us.redis, [stream.key], self._us.group, TIDY_STEP)
            except ResponseError as error:
                self._skips.note(stream.key, error)
                continue
            self._skips.clear(stream.key)
            if answer == b"removed":
                self._routes.remove(stream)

    async def _in_each_tag(self, step: Callable[[str], Awaitable[None]]) -> None:
        await in_each(self._us, sorted(self._tags()), step, self._skips)

    async def _bring_back(self, tag: str) -> None:
        now_ms = await time_ms(self._us.redis, self._due(tag))
        names = await self._page(tag, now_ms, 0)
        ours = self._turn(tag)
        if not names or not await ours.take():
            return
        passed_over = 0
        try:
            while names and await ours.keep():
                passed_over += await self._move_page(tag, names, ours)
                names = await self._page(tag, now_ms, passed_over)
        finally:
            await ours.give_back()

    async def _page(self, tag: str, now_ms: int, passed_over: int) -> list[bytes]:
        # As they stand there: a name that is no text could not be removed under another.
        due: list[Any] = await self._us.redis.zrangebyscore(
            self._due(tag), "-inf", now_ms, start=passed_over, num=PAGE
        )
        return due

    async def _move_page(self, tag: str, names: list[bytes], ours: Turn) -> int:
        """Move entries, type by type; gives how many stay where they are."""
        by_type = defaultdict[str, list[bytes]](list)
        for name in names:
            by_type[text_of(name).partition("|")[2] or UNIDENTIFIED].append(name)
        stay = 0
        for event_type, some in by_type.items():
            key = self._us.keys.again(tag, self._us.group, event_type)
            stream = Stream(tag, event_type, key, again=True)
            try:
                await self._move(stream, some, ours)
            except ResponseError as error:
                # A key of a wrong type there must not keep the other types waiting.
                self._skips.note(key, error)
                stay += len(some)
            else:
                self._skips.clear(key)
        return stay

    async def _move(self, stream: Stream, names: list[bytes], ours: Turn) -> None:
        tag, group, keys = stream.tag, self._us.group, self._us.keys
        books = [self._later(tag), self._due(tag), keys.attempts(tag, group), stream.key]
        moved = 0
        while names:
            seen, count, made = await _again(
                self._us.redis, books, group, stream.book_name, BYTES_PER_CALL, *names[:CALL]
            )
            names, moved = names[seen:], moved + count
            if made:
                with suppress(ResponseError):  # a full server; readers also look by themselves
                    await tell_of_again(self._us.redis, keys, stream, group)
            await ours.keep()
        if moved:
            self._us.record.given_again(tag, moved)
            _log.info("entries_given_again", stream=stream.key, entries=moved)

    def _later(self, tag: str) -> str:
        return self._us.keys.later(tag, self._us.group)

    def _due(self, tag: str) -> str:
        return self._us.keys.later_due(tag, self._us.group)

    def _turn(self, tag: str) -> Turn:
        return Turn(self._us, self._us.keys.lease_later(tag, self._us.group), LEASE_MS)
