"""Takes over the entries of dead consumers.

A consumer is dead when its heartbeat is gone, never because an entry took long: a live worker's
long handler is not run twice. One process at a time looks through a tag, and takes what it has
room for; then it is another's turn, until there is room again.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

from consumers.consumer import Consumer
from consumers.dispatch import Routes, is_ordered
from consumers.entry import HeldEntry, fields_of, read_history
from consumers.lease import Lease
from consumers.refill import Refill
from consumers.rooms import House, Room
from consumers.skips import Skips
from consumers.suspects.suspicion import read_suspicion
from consumers.tags import in_each
from consumers.telling import about
from consumers.turn import Turn
from relay.contract import logs
from relay.contract.connect import RedisError, ResponseError, text_of
from relay.contract.duties import to_its_end
from relay.contract.script import Script
from relay.contract.stream import Stream

SWEEP_SECONDS = 2.0
# Short, since a process that dies in its turn keeps the others from theirs for so long.
LEASE_MS = 3_000
# How soon it is looked again where another process has the turn and there is room here.
TURN_SECONDS = 0.05
PAGE = 100
# Of one page; what is beyond comes with the next.
PAGE_BYTES = 4 * 1024 * 1024
# An entry that moved a moment ago is left where it is; not how death is told.
MIN_IDLE_MS = 3_000

# A dead consumer that holds nothing is removed after this long; else their names pile up.
FORGOTTEN_MS = 600_000

_take = Script("consumers", "waiting/member", "suspects/count", "take")
_leave = Script("consumers", "leave")
_log = structlog.get_logger("consumers.sweep")


class Sweeper:
    """Looks for dead consumers and claims what they held.

    Args:
        us: This process.
        house: Tells when there is room again.
        routes: Knows which streams this process reads.
        may_take_over: Says whether the store has answered for long enough to trust that a
            missing heartbeat means death: heartbeats expire during an outage too.
        recover_soon: Is called where a reply was lost, so that entries may be ours unknown.
    """

    def __init__(
        self,
        us: Consumer,
        *,
        house: House,
        routes: Routes,
        may_take_over: Callable[[], bool],
        recover_soon: Callable[[], None],
    ) -> None:
        self._us = us
        self._routes = routes
        self._may_take_over = may_take_over
        self._recover_soon = recover_soon
        self._refill = Refill(house)
        # Streams of which there was more than room; by tag.
        self._unfinished: dict[str, set[str]] = {}
        self._taken: Counter[tuple[str, str]] = Counter()
        self._skips = Skips("sweep")

    async def run(self) -> None:
        """Sweep every two seconds, and go on where room was wanting, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            next_at = clock() + SWEEP_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            try:
                while await self._refill.wait(next_at - clock()):
                    await self.go_on()
                await self.sweep()
            except (RedisError, OSError):
                self._recover_soon()
                raise

    async def sweep(self) -> None:
        """Look through every tag once, where no other process does."""
        self._unfinished.clear()
        await self._sweep(self._routes.by_tag(ordered=True))
        self._say_taken()

    async def go_on(self) -> None:
        """Look again through the streams of which there was more than room."""
        before, self._unfinished = self._unfinished, {}
        routed = self._routes.by_tag()
        busy = await self._sweep(
            {
                tag: [at for at in routed.get(tag, ()) if at[0].key in keys]
                for tag, keys in before.items()
            }
        )
        if busy:
            await asyncio.sleep(TURN_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            self._unfinished |= {tag: before[tag] for tag in busy}
            self._want_room()

    async def _sweep(self, tags: dict[str, list[tuple[Stream, Room]]]) -> list[str]:
        """Look through streams; give the tags in which it is another's turn."""
        busy: list[str] = []
        if not self._may_take_over():
            return busy

        async def sweep(tag: str) -> None:
            if not await self._sweep_tag(tag, tags[tag]):
                busy.append(tag)

        await in_each(self._us, tags, sweep, self._skips, lambda _: self._recover_soon())
        self._want_room()
        return busy

    def _want_room(self) -> None:
        """Go on as soon as there is room for what was left."""
        keys = set[str]().union(*self._unfinished.values())
        found = (self._routes.streams.get(key) for key in keys)
        self._refill.want(at[1] for at in found if at is not None)

    async def _sweep_tag(self, tag: str, streams: list[tuple[Stream, Room]]) -> bool:
        turn = Turn(self._us, self._us.keys.lease_sweep(tag, self._us.group), LEASE_MS)
        if not await turn.take():
            return False
        try:
            for stream, room in streams:
                if not await turn.keep():
                    break
                await self._sweep_stream(stream, room, turn)
        finally:
            # Let others, who may have more room, have the next turn.
            await turn.give_back()
        return True

    async def _sweep_stream(self, stream: Stream, room: Room, turn: Turn) -> None:
        dead = await self._dead_consumers(stream)
        if is_ordered(stream, room):
            return  # its one reader takes over what its predecessor held
        for name in dead:
            if not await self._take_from(stream, room, name, turn):
                self._unfinished.setdefault(stream.tag, set()).add(stream.key)
                return

    async def _take_from(self, stream: Stream, room: Room, dead: str, turn: Turn) -> bool:
        """Take what a dead consumer holds, as far as there is room; false where it was not all."""
        start: str | None = "-"
        taken = 0
        while start is not None and room.free_for_claims and self._may_take_over():
            page = min(PAGE, room.free_for_claims)
            # What was claimed is pending under us, so it must be heard of also at the end.
            start, count = await to_its_end(self._take_page(stream, room, dead, start, page))
            taken += count
            if not await turn.keep():
                break
        self._taken[stream.key, dead] += taken
        return start is None

    def _say_taken(self) -> None:
        """Say it once for all that was taken since the last sweep."""
        for (stream, dead), entries in self._taken.items():
            if entries:
                _log.warning("entries_taken_over", stream=stream, dead=dead, entries=entries)
        self._taken.clear()

    async def _dead_consumers(self, stream: Stream) -> list[str]:
        try:
            consumers: list[Any] = await self._us.redis.xinfo_consumers(stream.key, self._us.group)
        except ResponseError:
            return []  # stream or group is gone; the reader puts that right
        pending = {text_of(consumer["name"]): consumer["pending"] for consumer in consumers}
        idle_ms = {text_of(consumer["name"]): consumer["idle"] for consumer in consumers}
        names = [name for name in pending if name != self._us.name and not name.startswith("@")]
        if not names:
            return []
        pipeline = self._us.redis.pipeline(transaction=False)
        for name in (self._us.name, *names):
            pipeline.exists(self._us.keys.alive(self._us.group, name))
        seen, *alive = await pipeline.execute()
        if not seen:
            # Ours has gone though we live: all stood still together, or the store was set back.
            return []
        dead = [name for name, beats in zip(names, alive, strict=True) if not beats]
        for name in dead:
            if not pending[name] and idle_ms[name] > FORGOTTEN_MS:
                await _leave(self._us.redis, [stream.key], self._us.group, name)
        return [name for name in dead if pending[name]]

    async def _take_page(
        self, stream: Stream, room: Room, dead: str, start: str, page: int
    ) -> tuple[str | None, int]:
        """Take one page; give where the next one begins, if there is one, and how many came."""
        place = (stream.tag, self._us.group)
        keys = [stream.key, self._us.keys.attempts(*place), self._us.keys.strikes(*place)]
        who = (self._us.group, self._us.name, dead, stream.book_name)
        last, taken = await _take(self._us.redis, keys, *who, MIN_IDLE_MS, start, page, PAGE_BYTES)
        self._us.record.taken_over(stream.tag, len(taken))
        for one in taken:
            entry = _held(stream, *one, lease=self._us.lease())
            if logs.debugging:
                _log.debug("entry_taken_over", **about(entry), group=self._us.group, dead=dead)
            room.put_claimed(entry)
        return None if last is None else f"({text_of(last)}", len(taken)


def _held(
    stream: Stream,
    entry: list[Any],
    history: bytes | None,
    suspicion: bytes,
    *,
    lease: Lease,
) -> HeldEntry:
    entry_id, flat = entry
    return HeldEntry(
        stream,
        text_of(entry_id),
        fields_of(flat),
        read_history(history),
        lease,
        suspicion=read_suspicion(suspicion),
    )
