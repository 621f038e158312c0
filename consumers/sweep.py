"""Takes over the entries of dead consumers.

A consumer is dead when its heartbeat is gone, never because an entry took long: a live worker's
long handler is not run twice. One process at a time looks through a tag.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import structlog

from consumers.books import with_histories
from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.rooms import Room
from consumers.skips import Skips
from relay.contract.connect import RedisError, ResponseError, send_command, text_of
from relay.contract.script import Script
from relay.contract.stream import Stream

SWEEP_SECONDS = 2.0
LEASE_MS = 10_000
PAGE = 100
# Guards against two sweepers after the same entry; not how death is told.
MIN_IDLE_MS = 3_000

# A dead consumer that holds nothing is removed after this long; else their names pile up.
FORGOTTEN_MS = 600_000

_hold = Script("consumers", "hold")
_leave = Script("consumers", "leave")
_log = structlog.get_logger("consumers.sweep")


class Sweeper:
    """Looks for dead consumers and claims what they held.

    Args:
        us: This process.
        routes: Knows which streams this process reads.
        may_take_over: Says whether the store has answered for long enough to trust that a
            missing heartbeat means death: heartbeats expire during an outage too.
        recover_soon: Is called where a reply was lost, so that entries may be ours unknown.
    """

    def __init__(
        self,
        us: Consumer,
        *,
        routes: Routes,
        may_take_over: Callable[[], bool],
        recover_soon: Callable[[], None],
    ) -> None:
        self._us = us
        self._routes = routes
        self._may_take_over = may_take_over
        self._recover_soon = recover_soon
        self._skips = Skips("sweep")

    async def run(self) -> None:
        """Sweep every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
            try:
                await self.sweep()
            except (RedisError, OSError):
                self._recover_soon()
                raise

    async def sweep(self) -> None:
        """Look through every tag once, where no other process does."""
        if not self._may_take_over():
            return
        for tag, streams in self._routes.by_tag().items():
            try:
                await self._sweep_tag(tag, streams)
            except ResponseError as error:
                self._recover_soon()
                self._skips.note(tag, error)
            else:
                self._skips.clear(tag)

    async def _sweep_tag(self, tag: str, streams: list[tuple[Stream, Room]]) -> None:
        lease = self._us.keys.lease_sweep(tag, self._us.group)
        if not await _hold(self._us.redis, [lease], self._us.name, LEASE_MS):
            return
        try:
            for stream, room in streams:
                await self._sweep_stream(stream, room)
        finally:
            # Let others, who may have more room, have the next turn. Losing the lease early
            # only lets two look at once, and the claim itself decides who gets an entry.
            await self._us.redis.delete(lease)

    async def _sweep_stream(self, stream: Stream, room: Room) -> None:
        for name in await self._dead_consumers(stream):
            while room.free_for_claims and self._may_take_over():
                page = min(PAGE, room.free_for_claims)
                claimed = await self._claim(stream, name, page)
                for entry in claimed:
                    room.put_claimed(entry)
                if claimed:
                    _log.warning(
                        "entries_taken_over", stream=stream.key, dead=name, entries=len(claimed)
                    )
                if len(claimed) < page:
                    break

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
        for name in names:
            pipeline.exists(self._us.keys.alive(self._us.group, name))
        alive = await pipeline.execute()
        dead = [name for name, beats in zip(names, alive, strict=True) if not beats]
        for name in dead:
            if not pending[name] and idle_ms[name] > FORGOTTEN_MS:
                await _leave(self._us.redis, [stream.key], self._us.group, name)
        return [name for name in dead if pending[name]]

    async def _claim(self, stream: Stream, dead: str, page: int) -> list[HeldEntry]:
        pending = await self._us.redis.xpending_range(
            stream.key, self._us.group, "-", "+", page, consumername=dead, idle=MIN_IDLE_MS
        )
        ids = [row["message_id"] for row in pending]
        if not ids:
            return []
        claim = ("XCLAIM", stream.key, self._us.group, self._us.name, MIN_IDLE_MS, *ids)
        claimed: list[tuple[bytes | None, dict[bytes, bytes]]] = await send_command(
            self._us.redis, *claim
        )
        # Servers before 7.0 answer nothing for ids whose entries were deleted.
        entries = [
            HeldEntry(stream, text_of(entry_id), fields)
            for entry_id, fields in claimed
            if entry_id is not None
        ]
        return await with_histories(self._us, entries)
