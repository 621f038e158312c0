"""Gives entries a due time that wait and have none, once a minute.

Being parked is being pending under ``@park``; the due times beside that may be deleted, or lost
with a write that was torn. Without one an entry would never come back. Nor would what waits in the
lanes of a stream whose handler does not ask for order any more: nobody reads those.
"""

import asyncio
import random

import structlog

from consumers.consumer import Consumer
from consumers.dispatch import Routes, is_ordered
from consumers.rooms import Room
from consumers.skips import Skips
from consumers.tags import in_each
from consumers.turn import Turn
from relay.contract.connect import text_of
from relay.contract.script import Script
from relay.contract.stream import Stream

EVERY_SECONDS = 60.0
# How often it is looked whether it is time; which process does it then is left to chance.
LOOK_SECONDS = 15.0
PAGE = 256

_restore = Script("consumers", "waiting/member", "waiting/restore")
_loosen = Script("consumers", "waiting/member", "order/loosen")
_log = structlog.get_logger("consumers.waiting.restore")


class Restorer:
    """Compares what is parked with the due times.

    Args:
        us: This process.
        routes: Knows which tags this process reads.
    """

    def __init__(self, us: Consumer, *, routes: Routes) -> None:
        self._us = us
        self._routes = routes
        self._skips = Skips("restore")

    async def run(self) -> None:
        """Look whether it is time, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
            await self.restore()

    async def restore(self) -> None:
        """Look through every tag in which no process has for a minute."""
        tags = self._routes.by_tag(ordered=True)
        await in_each(self._us, tags, lambda tag: self._look_in(tag, tags[tag]), self._skips)

    async def _look_in(self, tag: str, routed: list[tuple[Stream, Room]]) -> None:
        # Not given back: the lease is what makes it once a minute.
        lease = self._us.keys.lease_park(tag, self._us.group)
        if await Turn(self._us, lease, int(1000 * EVERY_SECONDS)).take():
            await self._loosen([at[0] for at in routed if not is_ordered(*at)])
            await self._restore_tag(tag, {stream for stream, _ in routed})

    async def _restore_tag(self, tag: str, routed: set[Stream]) -> None:
        # Also of types that only other processes of the group handle: they may not get the lease.
        names = await self._us.redis.hkeys(self._us.keys.streams(tag))
        types = map(text_of, names)
        known = {Stream(tag, each, self._us.keys.stream(tag, each)) for each in types}
        for stream in sorted(known | routed):
            await self._restore_stream(stream)

    async def _loosen(self, shared: list[Stream]) -> None:
        """Have what waits in lanes, which nobody reads any more, wait like any retry."""
        for stream in shared:
            if not stream.again:
                await self._loosen_stream(stream)

    async def _loosen_stream(self, stream: Stream) -> None:
        place = (stream.tag, self._us.group, stream.event_type)
        keys = [stream.key, self._us.keys.owner(*place), self._us.keys.lane(*place)]
        keys.append(self._us.keys.park(stream.tag, self._us.group))
        loosened, more = 0, PAGE
        while more == PAGE:
            more = await _loosen(self._us.redis, keys, self._us.group, stream.book_name, PAGE)
            loosened += more
        if loosened:
            _log.warning("lanes_given_up", stream=stream.key, entries=loosened)

    async def _restore_stream(self, stream: Stream) -> None:
        keys = [stream.key, self._us.keys.park(stream.tag, self._us.group)]
        start, restored = "-", 0
        while True:
            last, more = await _restore(
                self._us.redis, keys, self._us.group, stream.book_name, start, PAGE
            )
            restored += more
            if last is None:
                break
            start = f"({text_of(last)}"
        if restored:
            _log.warning("due_times_restored", stream=stream.key, entries=restored)
