"""Ordered streams in, entries out in order: the one reading process of each stream.

A stream has one owner in a group. It takes in what its predecessor left, then what is new; what
must wait behind a failed entry it sends to the store's lanes, and fetches it again. For one stream
all of that happens one step after the other, so that nothing can overtake.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence

import structlog

from consumers.consumer import Consumer
from consumers.entry import HeldEntry, History
from consumers.order.behind import DRAW, Behind
from consumers.order.holdings import Holdings
from consumers.order.lanes import Lane, Lanes
from consumers.order.own import Ownership
from consumers.order.succeed import Owned, Succession
from consumers.order.watch import BLOCK_SECONDS, Watch
from consumers.sizes import Sizes
from consumers.skips import Skips
from consumers.sources import Sources
from relay.contract.cluster import is_cluster
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, ResponseError, word_of
from relay.contract.script import Script

# How long to wait where there is no room: one slow lane may hold the places of all others.
CROWDED_SECONDS = 0.1
# How long a stream is left alone whose books the store refuses.
REFUSED_SECONDS = 2.0
# How long one is left alone whose server in a cluster is away.
AWAY_SECONDS = 0.5
DRAW_LANES = 64
# How often it is looked whether something is pending that nobody would ever come to.
COMPARE_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 2.0
MENDABLE = ("NOGROUP", "UNBLOCKED", "no longer exists", "no such key")

NO_HISTORY = History()

_advance = Script("consumers.order", "fenced", "advance")
_log = structlog.get_logger("consumers.order.reader")


class OrderedReader:
    """Fills the lanes.

    Args:
        watch: Waits while there is nothing to read.
        us: This process.
        sources: What is read, and where it goes.
        ownership: Takes and keeps streams.
    """

    def __init__(self, watch: Watch, us: Consumer, sources: Sources, ownership: Ownership) -> None:
        self._us = us
        self._watch = watch
        watch.on_loss = self._lost_server
        self._in_cluster = is_cluster(us.redis)
        self._routes = sources.routes
        self._restore_groups = sources.restore_groups
        self._behind = Behind(us)
        self._sizes = Sizes()
        self._succession = Succession(us, sources.house, self._behind, self._sizes)
        self._rooms = [room for room in sources.house.rooms if isinstance(room, Lanes)]
        for room in self._rooms:
            room.on_change = self.wake
        self._holdings = Holdings(sources.routes, ownership)
        self._may_tell_death = ownership.may_tell_death
        self._skips = Skips("order")
        self._crowded = False
        self._blocks = False
        self._wake = asyncio.Event()
        self._wakers: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self) -> None:
        """Read until `stop`."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            try:
                await self._step()
            except (RedisError, OSError) as error:
                _log.warning("reading_waits_for_store", error=type(error).__name__)
                # A reply that was lost may have given entries that nobody has in hand.
                for owned in self._holdings.owned.values():
                    owned.must_prepare = True
                await self._watch.close()
            else:
                pause = FIRST_PAUSE_SECONDS
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(2 * pause, LAST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """End the read that blocks, so that `run` returns."""
        self._stopping = True
        self._wake.set()
        await self._watch.end()

    async def aclose(self) -> None:
        """Give up what is waited with; `run` has ended."""
        await self._watch.close()

    def wake(self) -> None:
        """Look again: a lane has moved."""
        self._wake.set()
        if self._blocks:
            self._blocks = False
            waker = asyncio.create_task(self._watch.end(), name="order-wake")
            self._wakers.add(waker)
            waker.add_done_callback(self._wakers.discard)

    def found_streams(self) -> None:
        """Ask at once for the streams that have become known."""
        self._holdings.look_soon()
        self.wake()

    def room_regained(self) -> None:
        """Read again, where that was left for want of room."""
        if self._crowded:
            self._crowded = False
            self.wake()

    def came_late(self, entry: HeldEntry) -> None:
        """Compare what is pending with what is in hand: an outcome was not accepted any more."""
        owned = self._holdings.owned.get(entry.stream.key)
        if owned is not None:
            owned.must_prepare = True
            self.wake()

    def _lost_server(self, tag: str) -> None:
        """Compare what is pending in a tag under this process with what is in hand."""
        for owned in self._holdings.owned.values():
            owned.in_doubt |= owned.stream.tag == tag
        self.wake()

    async def hand_back(self, entries: Sequence[HeldEntry]) -> None:
        """Put entries that were not handled into their lanes; then `give_up` the streams."""
        for reply in await self._behind.put(entries):
            if isinstance(reply, Exception):
                # They stay pending under this consumer, and the next owner takes them over.
                _log.error("settling_refused", error=word_of(reply))

    async def give_up(self, handed_back: Sequence[HeldEntry]) -> None:
        """Let others become the owners of all streams; see `Holdings.give_all_up`.

        Args:
            handed_back: What others may handle: one of them takes over also what the store refused.
        """
        await self._holdings.give_all_up(handed_back)

    async def _step(self) -> None:
        self._wake.clear()
        if self._stopping:
            return
        if self._routes.ordered:
            await self._watch.open()
        await self._holdings.look()
        await self._in_all(self._make_ready)
        await self._in_all(self._holdings.hand_over)
        moved = await self._draw()
        moved |= await self._in_all(self._advance)
        if not moved:
            await self._wait()

    async def _in_all(self, step: Callable[[Owned], Awaitable[bool]]) -> bool:
        """Take a step in every stream; say whether anything has moved.

        Raises:
            RedisError: The store is away.
        """
        now = _now()
        owned = [each for each in self._holdings.owned.values() if each.quiet_until <= now]
        results = await asyncio.gather(
            *(self._guarded(step, each) for each in owned), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return any(results)

    async def _guarded(self, step: Callable[[Owned], Awaitable[bool]], owned: Owned) -> bool:
        """Take a step in one stream; what the store refuses there does not stop the others."""
        try:
            moved = await step(owned)
        except ResponseError as error:
            owned.must_prepare = True
            owned.quiet_until = _now() + FIRST_PAUSE_SECONDS
            if any(word in str(error) for word in MENDABLE):
                await self._restore_groups([owned.stream])
            else:
                owned.quiet_until = _now() + REFUSED_SECONDS
                self._skips.note(owned.stream.key, error)
            return False
        except UNKNOWN_OUTCOME:
            if not self._in_cluster:
                raise
            # The server of this stream is away; those of others are not.
            owned.must_prepare = True
            owned.quiet_until = _now() + AWAY_SECONDS
            return False
        self._skips.clear(owned.stream.key)
        return moved

    async def _make_ready(self, owned: Owned) -> bool:
        """Bring a stream to where reading on cannot overtake anything."""
        # Of a predecessor's entries that are left nothing must be overtaken.
        if owned.must_prepare or (owned.in_doubt and owned.backlog):
            await self._prepare(owned)
        elif owned.in_doubt:
            # Any other process that has read may be busy with it.
            await self._prepare(owned, of=())
        elif _now() >= owned.compare_at and (dead := await self._left_over(owned)) is not None:
            await self._prepare(owned, of=dead)
        surplus = owned.room.surplus(owned.stream)
        for reply in await self._behind.put(surplus):
            if isinstance(reply, Exception):
                raise reply
        if surplus:
            owned.room.put_away(owned.stream, surplus)
        return False

    async def _prepare(self, owned: Owned, of: Collection[str] | None = None) -> None:
        await self._succession.prepare(owned, of)
        self._compare_later(owned)

    async def _left_over(self, owned: Owned) -> set[str] | None:
        self._compare_later(owned)
        # A missing heartbeat means nothing right after an outage.
        may = await self._may_tell_death()
        return await self._succession.left_over(owned.stream) if may else None

    def _compare_later(self, owned: Owned) -> None:
        owned.compare_at = _now() + COMPARE_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311 - jitter

    async def _draw(self) -> bool:
        """Fetch the next entries of lanes that may go on."""
        moved = False
        for room in self._rooms:
            lanes = room.wanting(min(DRAW_LANES, room.free_for_claims, self._sizes.most))
            ready = [lane for lane in lanes if self._is_ready(lane)]
            for lane in set(lanes) - set(ready):
                room.ask(lane, FIRST_PAUSE_SECONDS)
            moved |= await self._draw_for(room, ready)
        return moved

    def _is_ready(self, lane: Lane) -> bool:
        """Say whether the store's lane has all that comes before what it would give."""
        owned = self._holdings.owned.get(lane.stream.key)
        return owned is not None and owned.may_read and not owned.backlog

    async def _draw_for(self, room: Lanes, lanes: list[Lane]) -> bool:
        if not lanes:
            return False
        asked = [(lane, self._holdings.owned[lane.stream.key].grant.lease) for lane in lanes]
        most = max(1, min(DRAW, room.free_for_claims // len(lanes), self._sizes.most // len(lanes)))
        moved = False
        for lane, reply in zip(lanes, await self._behind.draw(asked, most), strict=True):
            owned = self._holdings.owned[lane.stream.key]
            if reply is None:
                owned.grant.gone = True
            elif isinstance(reply, Exception):
                owned.must_prepare = True
                room.ask(lane, REFUSED_SECONDS)
            else:
                for entry in reply.entries:
                    self._sizes.note(entry.size_bytes)
                room.drawn(lane, reply.entries, reply.wait_seconds, more=reply.more)
                moved |= bool(reply.entries) or not reply.wait_seconds
        return moved

    async def _advance(self, owned: Owned) -> bool:
        """Take over what is left of the backlog, or read on."""
        owned.room.adapt()
        free = owned.room.free
        if not owned.may_read or not free:
            return False
        if owned.backlog:
            owned.grant.gone |= not await self._succession.claim(owned, free)
            return True
        return await self._read(owned, free)

    async def _read(self, owned: Owned, free: int) -> bool:
        sharing = sum(1 for other in self._holdings.owned.values() if other.room is owned.room)
        most = max(1, min(free // sharing, self._sizes.most // len(self._holdings.owned)))
        stream = owned.stream
        keys = [stream.key, self._us.keys.owner(stream.tag, self._us.group, stream.event_type)]
        who = (self._us.group, self._us.name, str(owned.grant.fence))
        found = await _advance(self._us.redis, keys, *who, most)
        if found == 0:
            owned.grant.gone = True
            return True
        if owned.has_news and not found:
            # The group was moved on by hand, or a worker without order has read. Where to is to be
            # found out, or the store would tell of the same entry without end.
            owned.last_id = await self._succession.last_id(stream)
        owned.has_news = False
        for entry_id, flat in found:
            owned.last_id = entry_id.decode()
            self._sizes.note(owned.take_in(owned.last_id, flat, NO_HISTORY).size_bytes)
        return bool(found)

    async def _wait(self) -> None:
        """Wait for new entries, for room, or until a lane may go on."""
        readable = [each for each in self._holdings.owned.values() if self._is_readable(each)]
        self._crowded = any(not owned.room.free for owned in self._holdings.owned.values())
        seconds = self._wait_seconds()
        if self._wake.is_set() or self._stopping or seconds <= 0:
            return
        if not readable:
            await self._wait_here(seconds)
            return
        self._blocks = True
        try:
            after = {owned.stream: owned.last_id for owned in readable}
            for key in await self._watch.news(after, seconds):
                # What is told of a wait that was begun long ago may be another's by now.
                if (owned := self._holdings.owned.get(key)) is not None:
                    owned.has_news = True
        except ResponseError:
            # The stream has gone, or is none any more: the step that reads it finds out.
            await self._wait_here(FIRST_PAUSE_SECONDS)
        finally:
            self._blocks = False

    def _is_readable(self, owned: Owned) -> bool:
        return owned.may_read and owned.quiet_until <= _now() and owned.room.free > 0

    def _wait_seconds(self) -> float:
        if not self._routes.ordered:
            return BLOCK_SECONDS
        now = _now()
        due = [room.next_due_seconds() for room in self._rooms]
        waits = [seconds for seconds in due if seconds is not None]
        waits += [
            owned.quiet_until - now
            for owned in self._holdings.owned.values()
            if owned.quiet_until > now
        ]
        if self._crowded:
            waits.append(CROWDED_SECONDS)
            for room in self._rooms:
                room.make_room()
        return min(BLOCK_SECONDS, self._holdings.next_look_seconds(), *waits)

    async def _wait_here(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


def _now() -> float:
    return asyncio.get_running_loop().time()
