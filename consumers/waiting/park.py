"""Brings parked entries back when they are due."""

from collections.abc import Callable
from typing import Any

from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.entry import HeldEntry, fields_of, read_history
from consumers.lease import Lease
from consumers.refill import Refill
from consumers.rooms import House, Room
from consumers.skips import Skips
from consumers.suspects.suspicion import read_suspicion
from consumers.tags import in_each
from relay.contract.connect import RedisError, ResponseError
from relay.contract.duties import to_its_end
from relay.contract.script import Script
from relay.contract.stream import Stream

POLL_SECONDS = 0.2
# How long it waits while a server of a cluster is away: each try may have been taken, and has what
# is pending compared.
AWAY_SECONDS = 1.0
PAGE = 256
# So many pages may bring nothing in one look: they hold what has no room or no handler here.
VAIN_PAGES = 8
# Of one page; what is beyond comes with the next.
PAGE_ENTRIES = 100
PAGE_BYTES = 4 * 1024 * 1024

_due = Script("consumers", "waiting/due")


class Parking:
    """Takes due entries for which this process has a handler and room.

    Args:
        us: This process.
        house: Tells when there is room again.
        routes: Knows which streams this process reads.
        recover_soon: Is called where a reply was lost, so that entries may be ours unknown.
    """

    def __init__(
        self,
        us: Consumer,
        *,
        house: House,
        routes: Routes,
        recover_soon: Callable[[], None],
    ) -> None:
        self._us = us
        self._routes = routes
        self._recover_soon = recover_soon
        self._refill = Refill(house)
        # By tag, how many members the next page passes over: they could not be taken, and were
        # not to keep a look from what is behind them.
        self._passed: dict[str, int] = {}
        self._skips = Skips("park")
        # Whether a server of a cluster was, at the last look.
        self._is_away = False

    async def run(self) -> None:
        """Look five times a second, and when a full room has room again, until cancelled."""
        while True:
            try:
                await self.look()
            except (RedisError, OSError):
                self._recover_soon()
                raise
            await self._refill.wait(AWAY_SECONDS if self._is_away else POLL_SECONDS)

    async def look(self) -> None:
        """Take what is due in every tag."""
        short: list[Room] = []
        tags = self._routes.by_tag()

        async def look(tag: str) -> None:
            if await self._look_in(tag, tags[tag]):
                short.extend(room for _, room in tags[tag] if not room.free_for_claims)

        self._is_away = False
        await in_each(self._us, tags, look, self._skips, self._lost)
        self._refill.want(short)

    def _lost(self, error: Exception) -> None:
        if not isinstance(error, ResponseError):
            self._is_away = True
            self._recover_soon()

    async def _look_in(self, tag: str, streams: list[tuple[Stream, Room]]) -> bool:
        """Take pages until nothing more is due or they bring nothing; tell whether some is left."""
        vain = 0
        while vain < VAIN_PAGES and any(room.free_for_claims for _, room in streams):
            # What was claimed is pending under us, so it must be heard of also at the end.
            more, taken = await to_its_end(self._take_page(tag, streams))
            if not more:
                return self._passed.pop(tag) > 0
            vain += not taken
        return True

    async def _take_page(self, tag: str, streams: list[tuple[Stream, Room]]) -> tuple[bool, int]:
        about = (tag, self._us.group)
        books = (self._us.keys.park, self._us.keys.attempts, self._us.keys.strikes)
        keys = [book(*about) for book in books]
        passed = self._passed.get(tag, 0)
        arguments: list[str | int] = [self._us.group, self._us.name, PAGE, passed]
        arguments += (PAGE_BYTES, PAGE_ENTRIES)
        for stream, room in streams:
            keys.append(stream.key)
            arguments += (stream.book_name, room.free_for_claims)
        self._passed[tag], more, taken = await _due(self._us.redis, keys, *arguments)
        routes = {stream.book_name: (stream, room) for stream, room in streams}
        for name, *entry in taken:
            stream, room = routes[name.decode()]
            room.put_claimed(_held(stream, *entry, lease=self._us.lease()))
        return bool(more), len(taken)


def _held(
    stream: Stream,
    entry: list[Any],
    history: bytes | None,
    suspicion: bytes | None,
    *,
    lease: Lease,
) -> HeldEntry:
    entry_id, flat = entry
    return HeldEntry(
        stream,
        entry_id.decode(),
        fields_of(flat),
        read_history(history),
        lease,
        suspicion=read_suspicion(suspicion),
    )
