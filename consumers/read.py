"""Streams in, entries out: reads what is new, as far as there is room for it.

Only streams without order; those with one are read by ``ordered``.

After each lost connection the entries that are pending under this consumer are compared with
those in hand: a reply that was lost on the way left entries that nobody would ever handle. And once
more a while later: a server that has not heard of the loss yet still serves the read that it knows.
"""

import asyncio
import math
import random
from collections.abc import Sequence
from typing import Any

import structlog

from consumers.blocking import BlockingConnection
from consumers.books import with_histories
from consumers.consumer import Consumer
from consumers.entry import HeldEntry, fields_of
from consumers.rooms import Room
from consumers.sizes import Sizes
from consumers.sources import Sources
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, ResponseError, word_of
from relay.contract.script import Script
from relay.contract.stream import Stream

BLOCK_SECONDS = 5.0
# So long after a loss nothing can be given any more to whom it has hit: reads have ended by then.
LATE_SECONDS = BLOCK_SECONDS + 1.0
# With fewer places than this for each stream, streams are asked by a script that counts in all.
ENOUGH_EACH = 16
RECOVERY_PAGE = 100
FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 2.0

_turn = Script("consumers", "read")
_log = structlog.get_logger("consumers.read")


class Reader:
    """Fills the rooms.

    Args:
        connection: Blocks while there is nothing to read.
        us: This process.
        sources: What is read, and where it goes.
    """

    def __init__(self, connection: BlockingConnection, us: Consumer, sources: Sources) -> None:
        self._us = us
        self._connection = connection
        self._house = sources.house
        self._routes = sources.routes
        self._restore_groups = sources.restore_groups
        self._sizes = Sizes()
        # By tag: with which stream the next turn begins.
        self._turns: dict[str, int] = {}
        self._left_out = False
        self._wake = asyncio.Event()
        self._wakers: set[asyncio.Task[None]] = set()
        self._must_recover = True
        self._recover_again_at = math.inf
        self._stopping = False

    async def run(self) -> None:
        """Read until `stop`."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            try:
                await self._step()
            except UNKNOWN_OUTCOME as error:
                _log.warning("reading_waits_for_store", error=type(error).__name__)
                self._note_loss()
                await self._connection.close()
            except ResponseError as error:
                self._must_recover = True
                await self._try_to_mend(error)
            else:
                pause = FIRST_PAUSE_SECONDS
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(2 * pause, LAST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """End the read that blocks, so that `run` returns."""
        self._stopping = True
        self._wake.set()
        await self._connection.unblock(self._us.redis)

    def wake(self) -> None:
        """Look again: there is a new stream, or room where there was none."""
        self._wake.set()
        if not self._connection.is_busy:
            return  # the next read looks before it blocks
        # A task of its own each time: one under way may be at its end, with the next read begun.
        waker = asyncio.create_task(self._connection.unblock(self._us.redis), name="reader-wake")
        self._wakers.add(waker)
        waker.add_done_callback(self._wakers.discard)

    def room_regained(self) -> None:
        """Read again from streams that were left out for want of room."""
        if self._left_out:
            self._left_out = False
            self.wake()

    def recover_soon(self) -> None:
        """Compare what is pending with what is in hand: a claim's reply was lost."""
        self._note_loss()
        self.wake()

    def _note_loss(self) -> None:
        """Recover before the next read, and once more when nothing can come late any more."""
        self._must_recover = True
        self._recover_again_at = asyncio.get_running_loop().time() + LATE_SECONDS

    async def _step(self) -> None:
        if not self._connection.is_open:
            await self._connection.open()
            self._must_recover = True
        if asyncio.get_running_loop().time() >= self._recover_again_at:
            self._must_recover, self._recover_again_at = True, math.inf
        if self._must_recover:
            await self._recover()
        self._wake.clear()
        if self._stopping:
            return
        rooms = self._rooms_with_places()
        if not rooms:
            await self._wait_for_room()
            return
        await self._fill(rooms)

    def _streams(self) -> list[tuple[Stream, Room]]:
        """Give the streams to read from, each with the room that it leads to."""
        return self._routes.shared

    async def _fill(self, rooms: list[tuple[Room, list[Stream]]]) -> None:
        """Take what there are places for; wait where nothing is there."""
        each = min(room.free // len(streams) for room, streams in rooms)
        if each < ENOUGH_EACH:
            if await self._read_in_turn(rooms) or self._wake.is_set():
                return
            # Nothing is there, and no place was given back; whatever comes first ends the wait.
            each = 1
        await self._read(rooms, each, BLOCK_SECONDS)

    async def _wait_for_room(self, seconds: float | None = None) -> None:
        try:
            async with asyncio.timeout(BLOCK_SECONDS if seconds is None else seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _rooms_with_places(self) -> list[tuple[Room, list[Stream]]]:
        """Give the rooms that have places, each with the streams that lead to it."""
        found: dict[int, tuple[Room, list[Stream]]] = {}
        for stream, room in self._streams():
            found.setdefault(id(room), (room, []))[1].append(stream)
        for room, _ in found.values():
            room.adapt()
        rooms = [(room, streams) for room, streams in found.values() if room.free]
        self._left_out = len(rooms) < len(found)
        return rooms

    async def _read_in_turn(self, rooms: list[tuple[Room, list[Stream]]]) -> bool:
        """Take what is there, for each room as much as it has places for; do not wait."""
        most = max(1, self._sizes.most // len(rooms))
        found = False
        for room, streams in rooms:
            for tag in {stream.tag for stream in streams}:
                same = [stream for stream in streams if stream.tag == tag]
                found |= await self._read_some(room, same, min(room.free, most))
        return found

    async def _read_some(self, room: Room, streams: list[Stream], most: int) -> bool:
        """Go on where the last turn ended, so that no stream comes last always."""
        if not most:
            return False
        tag = streams[0].tag
        begin = self._turns.get(tag, 0) % len(streams)
        asked = streams[begin:] + streams[:begin]
        keys = [stream.key for stream in asked]
        reply = await _turn(self._us.redis, keys, self._us.group, self._us.name, most)
        for place, entries in reply:
            await self._take_in(asked[place - 1], room, entries)
        if reply:
            self._turns[tag] = begin + max(place for place, _ in reply)
        return bool(reply)

    async def _read(
        self, rooms: list[tuple[Room, list[Stream]]], each: int, block_seconds: float | None
    ) -> bool:
        """Take what is there, or what comes first; not waiting where no time is given for it."""
        # As they are routed now: a stream may end, and come back, while this is under way.
        asked = {stream.key: (stream, room) for room, streams in rooms for stream in streams}
        keys = list(asked)
        count = max(1, min(each, self._sizes.most // len(keys)))
        block = () if block_seconds is None else ("BLOCK", int(1000 * block_seconds))
        reply = await self._connection.execute(
            *("XREADGROUP", "GROUP", self._us.group, self._us.name),
            *("COUNT", count, *block, "STREAMS"),
            *keys,
            *[">"] * len(keys),
        )
        for key, entries in reply or ():
            await self._take_in(*asked[key.decode()], entries)
        return bool(reply)

    async def _take_in(self, stream: Stream, room: Room, entries: Sequence[Any]) -> None:
        lease = self._us.lease()
        read = [
            HeldEntry(stream, entry_id.decode(), fields_of(flat), lease=lease)
            for entry_id, flat in entries
        ]
        if stream.again:
            # New in this stream, and yet it was run before.
            read = await with_histories(self._us, read)
        for entry in read:
            self._sizes.note(room.put(entry))

    async def _recover(self) -> None:
        """Take in what is pending under this consumer and not in hand."""
        self._must_recover = False
        for stream, room in self._streams():
            with self._house.watching() as gone:
                found = await self._ghosts(stream)
            # What was settled while the store was asked is in its answer, and no ghost.
            ghosts = [entry for entry in found if (stream.key, entry.entry_id) not in gone]
            if ghosts:
                _log.info("entries_recovered", stream=stream.key, entries=len(ghosts))
            for entry in ghosts:
                room.put(entry)

    async def _ghosts(self, stream: Stream) -> list[HeldEntry]:
        found: list[HeldEntry] = []
        after = "0"
        while True:
            reply = await self._connection.execute(
                *("XREADGROUP", "GROUP", self._us.group, self._us.name),
                *("COUNT", RECOVERY_PAGE, "STREAMS", stream.key, after),
            )
            page = reply[0][1] if reply else []
            for entry_id, flat in page:
                after = entry_id.decode()
                if flat is None:
                    # Deleted from the stream, so there is nothing left to handle.
                    await self._us.redis.xack(stream.key, self._us.group, after)
                elif not self._house.holds(stream.key, after):
                    lease = self._us.lease()
                    found.append(HeldEntry(stream, after, fields_of(flat), lease=lease))
            if len(page) < RECOVERY_PAGE:
                return await with_histories(self._us, found)

    async def _try_to_mend(self, error: ResponseError) -> None:
        """Mend what can be mended; what stands in the way of it is tried again after the pause."""
        try:
            await self._mend(error)
        except (RedisError, OSError) as obstacle:
            _log.warning("mending_waits_for_store", error=type(obstacle).__name__)

    async def _mend(self, error: ResponseError) -> None:
        """Find out why the store refuses to read, and put right what can be."""
        text = str(error)
        if any(word in text for word in ("NOGROUP", "UNBLOCKED", "no longer exists", "WRONGTYPE")):
            await self._restore_groups([stream for stream, _ in self._streams()])
            return
        _log.error("read_refused", error=word_of(error))
