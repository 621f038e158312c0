"""What an owner of an ordered stream takes over before it reads on.

Everything that is pending and not in hand comes first, in the order of the stream: what a former
owner had read, and what this process was given without hearing of it.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from consumers.consumer import Consumer
from consumers.entry import HeldEntry, History, fields_of, read_history
from consumers.order.behind import Behind
from consumers.order.key import LaneOf
from consumers.order.lanes import Lanes
from consumers.order.own import Grant
from consumers.rooms import House
from consumers.sizes import Sizes
from consumers.suspects.suspicion import INNOCENT, Suspicion, read_suspicion
from relay.contract.connect import text_of
from relay.contract.keys import member
from relay.contract.script import Script
from relay.contract.stream import Stream

PAGE = 100
STORED = ("@park", "@lane")

_inherit = Script("consumers", "waiting/member", "order/fenced", "suspects/count", "order/inherit")
_log = structlog.get_logger("consumers.order.succeed")


@dataclass(slots=True)
class Owned:
    """One ordered stream that this process owns.

    Args:
        stream: Which stream.
        room: Its handler's.
        grant: The ownership.
        lane_of: Names an entry's lane.
        last_id: The last entry that the group was given.
        must_prepare: Whether entries may be pending that nobody has in hand.
        in_doubt: Whether entries may be pending under this process that it has let go: the server
            may have forgotten that.
        backlog: Ids of such entries, the oldest first.
        has_news: Whether the store has told of an entry behind the last one.
        book_lost: Whether the lanes are not to be trusted, and all that is pending is taken.
        gives_way_until: Until when it is not read on, since another should have it; else none.
        rests: Whether it is paused: nothing of it is read, and it is given up.
        kept_until: Before this it is not given up, whoever should have it; monotonic seconds.
        quiet_until: Not looked at before, since the store refuses; monotonic seconds.
        compare_at: When it is looked again whether something is left over; monotonic seconds.
    """

    stream: Stream
    room: Lanes
    grant: Grant
    lane_of: LaneOf
    last_id: str = "0-0"
    must_prepare: bool = True
    in_doubt: bool = False
    backlog: deque[str] = field(default_factory=deque)
    has_news: bool = False
    book_lost: bool = False
    gives_way_until: float | None = None
    rests: bool = False
    kept_until: float = 0.0
    quiet_until: float = 0.0
    compare_at: float = 0.0

    @property
    def may_read(self) -> bool:
        """Whether entries may be taken from the store: none is missing, and it stays ours."""
        gives_way = self.rests or self.gives_way_until is not None
        return not (self.must_prepare or self.in_doubt or self.grant.gone or gives_way)

    def take_in(
        self,
        entry_id: str,
        flat: Sequence[Any],
        history: History,
        suspicion: Suspicion = INNOCENT,
    ) -> HeldEntry:
        """Give an entry that is now pending under this process its place in its lane."""
        fields = fields_of(flat)
        lane = self.lane_of(entry_id, fields)
        entry = HeldEntry(
            self.stream,
            entry_id,
            fields,
            history,
            lease=self.grant.lease,
            lane=lane,
            suspicion=suspicion,
        )
        self.room.put(entry)
        return entry


class Succession:
    """Takes over what is pending.

    Args:
        us: This process.
        house: Knows what is in hand.
        behind: The store's lanes.
        sizes: How many entries may be asked for at once.
    """

    def __init__(self, us: Consumer, house: House, behind: Behind, sizes: Sizes) -> None:
        self._us = us
        self._house = house
        self._behind = behind
        self._sizes = sizes

    async def prepare(self, owned: Owned, of: Collection[str] | None = None) -> None:
        """Find out what is pending and not in hand, and which lanes wait in the store.

        Args:
            owned: Where.
            of: Processes of which something is taken, beside this one; by default of all.
        """
        # First, so that what goes amiss meanwhile is looked into once more.
        owned.must_prepare = owned.in_doubt = False
        for name in await self._behind.names(owned.stream):
            owned.room.waits_in_store(owned.stream, name)
        owned.room.ask_all(owned.stream)
        owned.last_id = await self.last_id(owned.stream)
        holders = await self._holders(owned.stream)
        stored = sum(count for name, count in holders.items() if name in STORED)
        # Fewer members than entries that wait: the lanes were lost, and the order with them.
        owned.book_lost = stored > await self._behind.count(owned.stream)
        ids: list[str] = []
        for name, count in holders.items():
            is_left = of is None or name in of or not self._is_other(name)
            if count and is_left and (owned.book_lost or name not in STORED):
                ids += await self._pending(owned.stream, name)
        owned.backlog = deque(sorted(ids, key=_order))
        if ids:
            self._us.record.taken_over(owned.stream.tag, len(ids))
            _log.info("entries_inherited", stream=owned.stream.key, entries=len(ids))

    async def left_over(self, stream: Stream) -> set[str] | None:
        """Tell whether entries are pending that no lane leads to and no living process holds.

        A worker for which the stream had no order yet may have read or parked them meanwhile, or
        the lanes were deleted.

        Returns:
            The dead processes that hold something, of which `prepare` may take it; or none where
            nothing is left over. One that comes to hold something meanwhile lives.
        """
        holders = await self._holders(stream)
        stored = sum(count for name, count in holders.items() if name in STORED)
        others = [name for name, count in holders.items() if count and self._is_other(name)]
        pipeline = self._us.redis.pipeline(transaction=False)
        for name in others:
            pipeline.exists(self._us.keys.alive(self._us.group, name))
        beats = await pipeline.execute()
        dead = {name for name, beat in zip(others, beats, strict=True) if not beat}
        return dead if dead or stored > await self._behind.count(stream) else None

    def _is_other(self, name: str) -> bool:
        return name != self._us.name and not name.startswith("@")

    async def claim(self, owned: Owned, free: int) -> bool:
        """Take the oldest of the backlog in hand, as many as there are places for.

        Returns:
            False where the stream has another owner.
        """
        ids = list(islice(owned.backlog, min(free, self._sizes.most, PAGE)))
        stream, books = owned.stream, self._us.keys
        keys = [stream.key, books.owner(stream.tag, self._us.group, stream.event_type)]
        about = (stream.tag, self._us.group)
        keys += [book(*about) for book in (books.attempts, books.strikes, books.park)]
        who = (self._us.group, self._us.name, str(owned.grant.fence))
        pairs = [part for one in ids for part in (one, member(one, stream.event_type))]
        taken = await _inherit(self._us.redis, keys, *who, int(owned.book_lost), *pairs)
        if taken == 0:
            return False
        for (entry_id, flat), history, strikes in taken:
            known = (read_history(history), read_suspicion(strikes))
            self._sizes.note(owned.take_in(entry_id.decode(), flat, *known).size_bytes)
        for _ in ids:
            owned.backlog.popleft()
        return True

    async def last_id(self, stream: Stream) -> str:
        """Give the id of the last entry that the group was given."""
        groups: list[dict[str, Any]] = await self._us.redis.xinfo_groups(stream.key)
        found = [group for group in groups if text_of(group["name"]) == self._us.group]
        return text_of(found[0]["last-delivered-id"]) if found else "0-0"

    async def _holders(self, stream: Stream) -> dict[str, int]:
        consumers: list[Any] = await self._us.redis.xinfo_consumers(stream.key, self._us.group)
        return {text_of(consumer["name"]): int(consumer["pending"]) for consumer in consumers}

    async def _pending(self, stream: Stream, name: str) -> list[str]:
        """Give the ids pending under a consumer that this process has not in hand."""
        found: list[str] = []
        after = "-"
        while True:
            rows: list[Any] = await self._us.redis.xpending_range(
                stream.key, self._us.group, after, "+", PAGE, consumername=name
            )
            ids = [text_of(row["message_id"]) for row in rows]
            found += [one for one in ids if not self._house.holds(stream.key, one)]
            if len(ids) < PAGE:
                return found
            after = f"({ids[-1]}"


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq)
