"""Removes settled entries: what every group that holds a stream is done with.

Never on the append path, and never what a holding group has yet to settle. Normally entries are
kept for the retention time all the same; when memory gets short, or a stream is near its cap,
settled history goes first, since it is worth less than the next event.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis

from consumers.consumer import Consumer
from consumers.pressure import Pressure
from consumers.skips import Skips
from consumers.tags import in_each, time_ms
from consumers.turn import Turn
from relay.contract.caps import Caps, store_bytes_of
from relay.contract.cluster import at, is_cluster, learn, nodes
from relay.contract.connect import UNKNOWN_OUTCOME, NoPermissionError, ResponseError, text_of
from relay.contract.held import HeldGroups, meant, read_held
from relay.contract.paused import Pause
from relay.contract.stream import Stream

WATCH_SECONDS = 2.0
TRIM_EVERY_SECONDS = 30.0
LEASE_MS = 30_000
SHORT_RATIO = 0.70
# So many entries leave a stream in one step: the server frees each body by itself, and does
# nothing else meanwhile.
STEP = 256
# What nobody holds is kept at least this long, however short memory is.
UNHELD_SECONDS = 3600
DEAD_LETTER_SECONDS = 30 * 86_400
MAX_PASSES = 10_000
# Both parts of an entry id have 64 bits.
LAST_NUMBER = 2**64 - 1

_log = structlog.get_logger("consumers.trim")


@dataclass(frozen=True, slots=True)
class Floor:
    """Up to where a stream may be trimmed.

    Args:
        entry_id: Everything before this is settled by all who hold the stream.
        held: Whether any group holds it.
    """

    entry_id: str
    held: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """How long settled entries are kept.

    Args:
        held_seconds: In a stream that a group holds.
        unheld_seconds: In one that nobody holds.
    """

    held_seconds: float
    unheld_seconds: float


class Trimmer:
    """Trims every stream of the known tags.

    Args:
        us: This process.
        retention_seconds: How long settled entries are kept, and how long a silent group still
            holds a stream.
        tags: Gives the tags known now.
        may_take_over: Says whether a missing heartbeat means death now.
        pauses: Gives what is paused: a paused group holds its streams, however long it is silent.
        caps: How much the streams may hold.
    """

    def __init__(
        self,
        us: Consumer,
        *,
        retention_seconds: int,
        tags: Callable[[], Iterable[str]],
        may_take_over: Callable[[], bool],
        pauses: Callable[[], Sequence[Pause]] = tuple,
        caps: Caps | None = None,
    ) -> None:
        self._us = us
        self._retention_seconds = retention_seconds
        self._tags = tags
        self._may_take_over = may_take_over
        self._pauses = pauses
        self._skips = Skips("trim")
        self._pressure = Pressure(us, caps or Caps())
        self._relieved = 0
        # The servers that were short of memory when they were last asked.
        self._short: list[Redis] = []

    async def run(self) -> None:
        """Trim every half minute, and at once while memory or a cap is short, until cancelled."""
        next_at = time.monotonic() + TRIM_EVERY_SECONDS * random.random()  # noqa: S311 - jitter
        while True:
            await asyncio.sleep(min(WATCH_SECONDS, self._pressure.seconds_left))
            short = await self._memory_is_short()
            if short or time.monotonic() >= next_at:
                await self.trim(short=short)
                self._say_relieved()
                next_at = time.monotonic() + TRIM_EVERY_SECONDS
            await self.relieve()

    async def relieve(self) -> int:
        """Trim the streams that are near their caps, where no other process does.

        Returns:
            How many entries were removed.
        """
        by_tag: dict[str, list[Stream]] = {}
        for stream in await self._pressed():
            by_tag.setdefault(stream.tag, []).append(stream)
        removed = await self._in_each(by_tag, lambda tag: self._relieve_tag(tag, by_tag[tag]))
        if removed:
            self._pressure.hurry()
        self._relieved += removed
        return removed

    async def _pressed(self) -> list[Stream]:
        try:
            return await self._pressure.look(self._tags(), await self._memory())
        except UNKNOWN_OUTCOME:
            if not is_cluster(self._us.redis):
                raise
            return []  # looked at again in a moment, also while a server is away

    def _say_relieved(self) -> None:
        """One line for all that was trimmed in half a minute: a small cap is often near."""
        if self._relieved:
            _log.info("capped_streams_trimmed", entries=self._relieved)
            self._relieved = 0

    async def trim(self, *, short: bool) -> int:
        """Trim every stream once, where no other process does.

        Args:
            short: Memory is short: settled entries go however young they are.

        Returns:
            How many entries were removed.
        """
        seconds = float(self._retention_seconds)
        removed = await self._trim_tags(Kept(0.0 if short else seconds, seconds))
        # What nobody holds goes oldest first, over all streams, and no more of it than is needed.
        while short and seconds > UNHELD_SECONDS and await self._memory_is_short():
            seconds = max(seconds / 2, UNHELD_SECONDS)
            removed += await self._trim_tags(Kept(0.0, seconds))
        if removed:
            _log.info("entries_trimmed", entries=removed, memory_short=short)
        return removed

    async def _trim_tags(self, kept: Kept) -> int:
        return await self._in_each(
            self._tags(), lambda tag: self._trim_tag(tag, self._kept_in(tag, kept))
        )

    async def _in_each(self, tags: Iterable[str], trim: Callable[[str], Awaitable[int]]) -> int:
        removed = 0

        async def step(tag: str) -> None:
            nonlocal removed
            count = await trim(tag)
            self._us.record.trimmed(tag, count)
            removed += count

        await in_each(self._us, tags, step, self._skips)
        return removed

    def _kept_in(self, tag: str, kept: Kept) -> Kept:
        """Keep entries for as long as ever where another server of a cluster is short of memory."""
        redis = self._us.redis
        if not self._short or not is_cluster(redis):
            return kept
        if at(redis, self._us.keys.streams(tag)) in self._short:
            return kept
        return Kept(self._retention_seconds, self._retention_seconds)

    @asynccontextmanager
    async def _turn(self, tag: str) -> AsyncIterator[Turn | None]:
        """Have the turn at a tag within the block; none where another process has it."""
        ours = Turn(self._us, self._us.keys.lease_trim(tag), LEASE_MS)
        if not await ours.take():
            yield None
            return
        try:
            yield ours
        finally:
            await ours.give_back()

    async def _trim_tag(self, tag: str, kept: Kept) -> int:
        removed = 0
        async with self._turn(tag) as ours:
            if ours is None:
                return 0
            books = await self._books(tag)
            groups = {text_of(name) for name in books}
            for name in await self._us.redis.hkeys(self._us.keys.streams(tag)):
                event_type = text_of(name)
                stream = Stream(tag, event_type, self._us.keys.stream(tag, event_type))
                found = await self._groups(stream)
                if found is None:
                    continue
                groups |= {text_of(group["name"]) for group in found}
                floor = await self._floor_of(stream, found, read_held(books))
                removed += await self._remove(
                    stream.key, await self._before(stream.key, floor, kept), ours
                )
            for group in groups:
                await self._trim_dead_letters(self._us.keys.dead(tag, group), ours)
        return removed

    async def _relieve_tag(self, tag: str, streams: Sequence[Stream]) -> int:
        removed = 0
        async with self._turn(tag) as ours:
            if ours is None:
                return 0
            configured = read_held(await self._books(tag))
            for stream in streams:
                found = await self._groups(stream)
                if found is not None:
                    floor = await self._floor_of(stream, found, configured)
                    removed += await self._relieve_stream(stream, floor, ours)
        return removed

    async def _relieve_stream(self, stream: Stream, floor: Floor, ours: Turn) -> int:
        """Remove what is settled; what nobody holds only as far as it is needed."""
        seconds = float(self._retention_seconds)
        removed = 0
        while True:
            before = await self._before(stream.key, floor, Kept(0.0, seconds))
            removed += await self._remove(stream.key, before, ours)
            if await ours.keep():
                # Whole nodes are gone, and a small cap may be less than one.
                key = stream.key
                removed += await self._us.redis.xtrim(key, minid=before, approximate=False)
            needed = not floor.held and seconds > UNHELD_SECONDS
            if not needed or not await self._pressure.is_pressed(stream):
                return removed
            seconds = max(seconds / 2, UNHELD_SECONDS)

    async def _books(self, tag: str) -> dict[bytes, bytes]:
        reply: Any = await self._us.redis.hgetall(self._us.keys.groups(tag))
        return dict(reply)

    async def _groups(self, stream: Stream) -> list[dict[str, Any]] | None:
        """Give a stream's groups; nothing where it is gone, or something else stands there."""
        try:
            return await self._us.redis.xinfo_groups(stream.key)
        except ResponseError:
            return None

    async def _floor_of(
        self, stream: Stream, found: list[dict[str, Any]], configured: HeldGroups
    ) -> Floor:
        there = {text_of(group["name"]) for group in found}
        holding = set(meant(configured, stream.tag, stream.event_type))
        holding |= self._paused(stream) & there
        return await self._floor(stream.key, found, holding)

    def _paused(self, stream: Stream) -> set[str]:
        """Name the groups that are paused on a stream."""
        return {pause.group for pause in self._pauses() if pause.means(stream)}

    async def _before(self, key: str, floor: Floor, kept: Kept) -> str:
        """Say before which entry a stream is trimmed."""
        kept_seconds = kept.held_seconds if floor.held else kept.unheld_seconds
        kept_from = f"{await time_ms(self._us.redis, key) - int(1000 * kept_seconds)}-0"
        return min(floor.entry_id, kept_from, key=order) if floor.held else kept_from

    async def _remove(self, key: str, before: str, ours: Turn) -> int:
        """Remove in bounded steps, so that no single one keeps the server busy."""
        removed = 0
        for _ in range(MAX_PASSES):
            if not await ours.keep():
                break  # it took too long, and another process goes on
            step = await self._us.redis.xtrim(key, minid=before, approximate=True, limit=STEP)
            # Nodes of the server's may be set to hold more than a step: then it removes nothing.
            step = step or await self._us.redis.xtrim(key, minid=before, approximate=True)
            removed += step
            if not step:
                break
        return removed

    async def _floor(self, key: str, groups: list[dict[str, Any]], holding: set[str]) -> Floor:
        if holding - {text_of(group["name"]) for group in groups}:
            # One that is yet to be made has read nothing.
            return Floor("0-0", held=True)
        floors = []
        for group in groups:
            name = text_of(group["name"])
            if name not in holding and not await self._is_active(key, group):
                continue
            floors.append(after(text_of(group["last-delivered-id"])))
            if group["pending"]:
                oldest = await self._us.redis.xpending(key, name)
                floors += [text_of(oldest["min"])] if oldest["min"] else []
        return Floor(min(floors, key=order), held=True) if floors else Floor("0-0", held=False)

    async def _is_active(self, key: str, group: dict[str, Any]) -> bool:
        """Tell whether a group that is not configured still counts.

        A consumer of it was active within the retention time, or its process lives, as far as can
        be told: one that is busy reads nothing. A group without consumers may have been left by
        hand: then the last entry it was given tells how long ago it was active, and one that
        never began holds everything.
        """
        name = text_of(group["name"])
        retention_ms = 1000 * self._retention_seconds
        consumers: list[Any] = await self._us.redis.xinfo_consumers(key, name)
        if any(consumer["idle"] < retention_ms for consumer in consumers):
            return True
        names = [text_of(consumer["name"]) for consumer in consumers]
        beats = [self._us.keys.alive(name, one) for one in names if not one.startswith("@")]
        if beats and (not self._may_take_over() or await self._alive(beats)):
            return True
        last_ms = order(text_of(group["last-delivered-id"]))[0]
        never_began = last_ms == 0 and not consumers
        return never_began or last_ms > await time_ms(self._us.redis, key) - retention_ms

    async def _alive(self, beats: list[str]) -> bool:
        # One command for each: in a cluster they lie in different slots.
        pipeline = self._us.redis.pipeline(transaction=False)
        for beat in beats:
            pipeline.exists(beat)
        return any(await pipeline.execute())

    async def _trim_dead_letters(self, key: str, ours: Turn) -> None:
        """Dead letters are kept for thirty days; their number is bounded where they are written."""
        before = f"{await time_ms(self._us.redis, key) - 1000 * DEAD_LETTER_SECONDS}-0"
        try:
            removed = await self._remove(key, before, ours)
            if await ours.keep():
                # Whole nodes are gone, so this touches no more than one.
                removed += await self._us.redis.xtrim(key, minid=before, approximate=False)
        except ResponseError as error:
            self._skips.note(key, error)
            return
        self._skips.clear(key)
        if removed:
            _log.error("dead_letters_lost", stream=key, letters=removed, bound="age")

    async def _memory_is_short(self) -> bool:
        """Tell whether a server is short of memory, and remember which."""
        self._short = [server for server in nodes(self._us.redis) if await self._is_short(server)]
        return bool(self._short)

    async def _is_short(self, server: Redis) -> bool:
        return _ratio(await self._memory_at(server)) >= SHORT_RATIO

    async def _memory(self) -> dict[str, Any]:
        """Ask how much the store uses, of a cluster the fullest server."""
        return max([await self._memory_at(each) for each in nodes(self._us.redis)], key=_ratio)

    async def _memory_at(self, server: Redis) -> dict[str, Any]:
        """Ask a server how much it uses; nothing, where that may not be asked."""
        try:
            return await server.info("memory")
        except (NoPermissionError, ResponseError):
            return {"used_memory": 0}
        except UNKNOWN_OUTCOME as error:
            learn(self._us.redis, server, error)
            if not is_cluster(self._us.redis):
                raise
            return {"used_memory": 0}  # what it has is not trimmed now


def _ratio(memory: dict[str, Any]) -> float:
    bound = store_bytes_of(memory)
    return int(memory["used_memory"]) / bound if bound else 0.0


def order(entry_id: str) -> tuple[int, int]:
    """Give what entry ids are compared by."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)


def after(entry_id: str) -> str:
    """Give the smallest entry id behind this one; the last possible one has none but itself."""
    ms, seq = order(entry_id)
    if seq < LAST_NUMBER:
        return f"{ms}-{seq + 1}"
    # A group that begins at a time stands there, until it has read something.
    return f"{ms + 1}-0" if ms < LAST_NUMBER else entry_id
