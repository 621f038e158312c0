"""Brings parked entries back when they are due."""

import asyncio
from collections.abc import Callable
from typing import Any

from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.entry import HeldEntry, fields_of, read_history
from consumers.rooms import Room
from consumers.skips import Skips
from relay.contract.connect import RedisError, ResponseError
from relay.contract.script import Script
from relay.contract.stream import Stream

POLL_SECONDS = 0.2
PAGE = 256

_due = Script("consumers", "due")


class Parking:
    """Takes due entries for which this process has a handler and room.

    Args:
        us: This process.
        routes: Knows which streams this process reads.
        recover_soon: Is called where a reply was lost, so that entries may be ours unknown.
    """

    def __init__(
        self,
        us: Consumer,
        *,
        routes: Routes,
        recover_soon: Callable[[], None],
    ) -> None:
        self._us = us
        self._routes = routes
        self._recover_soon = recover_soon
        self._skips = Skips("park")

    async def run(self) -> None:
        """Look five times a second, until cancelled."""
        while True:
            try:
                await self.look()
            except (RedisError, OSError):
                self._recover_soon()
                raise
            await asyncio.sleep(POLL_SECONDS)

    async def look(self) -> None:
        """Take what is due in every tag."""
        for tag, streams in self._routes.by_tag().items():
            try:
                await self._look_in(tag, streams)
            except ResponseError as error:
                self._skips.note(tag, error)
            else:
                self._skips.clear(tag)

    async def _look_in(self, tag: str, streams: list[tuple[Stream, Room]]) -> None:
        passed_over = 0
        while any(room.free_for_claims for _, room in streams):
            seen, left = await self._take_page(tag, streams, passed_over)
            passed_over += left
            if seen < PAGE:
                break

    async def _take_page(
        self, tag: str, streams: list[tuple[Stream, Room]], passed_over: int
    ) -> tuple[int, int]:
        keys = [
            self._us.keys.park(tag, self._us.group),
            self._us.keys.attempts(tag, self._us.group),
        ]
        arguments: list[str | int] = [self._us.group, self._us.name, PAGE, passed_over]
        for stream, room in streams:
            keys.append(stream.key)
            arguments += (stream.book_name, room.free_for_claims)
        seen, left, taken = await _due(self._us.redis, keys, *arguments)
        routes = {stream.book_name: (stream, room) for stream, room in streams}
        for name, entry, history in taken:
            stream, room = routes[name.decode()]
            room.put_claimed(_held(stream, entry, history))
        return seen, left


def _held(stream: Stream, entry: list[Any], history: bytes | None) -> HeldEntry:
    entry_id, flat = entry
    return HeldEntry(stream, entry_id.decode(), fields_of(flat), read_history(history))
