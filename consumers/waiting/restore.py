"""Gives parked entries a due time that have lost theirs, once a minute.

Being parked is being pending under ``@park``; the due times beside that may be deleted, or lost
with a write that was torn. Without one an entry would never come back.
"""

import asyncio
import random

import structlog

from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.skips import Skips
from consumers.turn import Turn
from relay.contract.connect import ResponseError, text_of
from relay.contract.script import Script
from relay.contract.stream import Stream

EVERY_SECONDS = 60.0
# How often it is looked whether it is time; which process does it then is left to chance.
LOOK_SECONDS = 15.0
PAGE = 256

_restore = Script("consumers", "waiting/member", "waiting/restore")
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
        for tag, routed in self._routes.by_tag(ordered=True).items():
            try:
                # Not given back: the lease is what makes it once a minute.
                turn = Turn(
                    self._us,
                    self._us.keys.lease_park(tag, self._us.group),
                    int(1000 * EVERY_SECONDS),
                )
                if await turn.take():
                    await self._restore_tag(tag, {stream for stream, _ in routed})
            except ResponseError as error:
                self._skips.note(tag, error)
            else:
                self._skips.clear(tag)

    async def _restore_tag(self, tag: str, routed: set[Stream]) -> None:
        # Also of types that only other processes of the group handle: they may not get the lease.
        names = await self._us.redis.hkeys(self._us.keys.streams(tag))
        types = map(text_of, names)
        known = {Stream(tag, each, self._us.keys.stream(tag, each)) for each in types}
        for stream in sorted(known | routed):
            await self._restore_stream(stream)

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
