"""Which ordered streams this process owns: it takes what is free, and hands over what is too many.

A process that comes later, as in a rolling deploy, owns nothing at first. So one that owns at
least two more gives a stream up to it, once nothing of the stream is being handled; where that
takes long the stream is read on, and given up another time.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import cast

import structlog

from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.order.key import LaneOf, lane_of
from consumers.order.lanes import Lanes
from consumers.order.own import Ownership
from consumers.order.succeed import Owned
from consumers.rooms import Room
from consumers.skips import Skips
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError
from relay.contract.stream import Stream

# How often a process asks for streams that nobody may own any more.
LOOK_SECONDS = 2.0
LEAST_WAIT_SECONDS = 0.001
# How long a stream that another should have is not read on, so that nothing of it is under way any
# more; and how long it is kept then, where a handler takes longer.
HAND_OVER_SECONDS = 5.0
KEPT_SECONDS = 60.0

_log = structlog.get_logger("consumers.order")


class Holdings:
    """Takes streams and gives them up.

    Args:
        routes: Knows the ordered streams.
        ownership: Asks the store for them.
    """

    def __init__(self, routes: Routes, ownership: Ownership) -> None:
        self._routes = routes
        self._ownership = ownership
        self._skips = Skips("order")
        self._look_at = 0.0
        self._lane_of: dict[int, LaneOf] = {}
        # By the stream's key.
        self.owned: dict[str, Owned] = {}

    def look_soon(self) -> None:
        """Ask for streams at the next look, however long ago the last one was."""
        self._look_at = 0.0

    def next_look_seconds(self) -> float:
        """Say in how long streams are asked for again."""
        return max(LEAST_WAIT_SECONDS, self._look_at - _now())

    async def look(self) -> None:
        """Become the owner of streams that have none, and forget those that have another."""
        if _now() >= self._look_at:
            self._look_at = _now() + LOOK_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            others = [each for each in self._routes.ordered if each[0].key not in self.owned]
            run_out = bool(others) and await self._ownership.may_tell_death()
            away: set[object] = set()
            for stream, room in others:
                # Each of its streams would be waited for as long as the first.
                if self._ownership.server_of(stream) in away:
                    continue
                if not await self._take(stream, room, run_out=run_out):
                    away.add(self._ownership.server_of(stream))
        for key, owned in list(self.owned.items()):
            if owned.grant.gone or key not in self._routes.streams:
                self._lose(owned)
            else:
                owned.room.stand_up()

    async def hand_over(self, owned: Owned) -> bool:
        """Give a stream up that another process should have, once nothing of it is under way.

        And one that is paused: the next owner finds all of it in the store, in order.
        """
        owned.rests = owned.stream.key in self._routes.resting
        if owned.rests:
            owned.gives_way_until = None
            if owned.room.send_all_away(owned.stream):
                await self._give_up(owned)
            return False
        if not owned.grant.wanted or _now() < owned.kept_until:
            return False
        if owned.gives_way_until is None:
            owned.gives_way_until = _now() + HAND_OVER_SECONDS
        if owned.room.send_all_away(owned.stream):
            await self._give_up(owned)
        elif _now() >= owned.gives_way_until:
            # One handler must not keep the other keys waiting for as long as it takes.
            owned.gives_way_until, owned.kept_until = None, _now() + KEPT_SECONDS
        return False

    async def give_all_up(self, handed_back: Sequence[HeldEntry]) -> None:
        """Let others become the owners at once.

        Args:
            handed_back: What others may handle. A stream of which anything else is still being
                handled is not given up: its next owner would handle that beside us. Its ownership
                runs out when this process has ended.
        """
        others = {(entry.stream.key, entry.entry_id) for entry in handed_back}
        keep = {
            key
            for key, owned in self.owned.items()
            for entry in owned.room.being_handled(owned.stream)
            if (key, entry.entry_id) not in others
        }
        await self._ownership.give_all_up(keep)

    async def _take(self, stream: Stream, room: Room, *, run_out: bool) -> bool:
        """Become the owner of a stream, if nobody is; tell whether its server has answered."""
        try:
            grant = await self._ownership.take(stream, run_out=run_out)
        except ResponseError as error:
            self._skips.note(stream.key, error)
            return True
        except UNKNOWN_OUTCOME as error:
            if not self._ownership.in_cluster:
                raise
            # Its server is away, and may have granted it: it is asked for again.
            self._skips.note(stream.key, error)
            return False
        if grant is not None:
            _log.info("stream_owned", stream=stream.key, fence=grant.fence)
            lanes = cast("Lanes", room)
            self.owned[stream.key] = Owned(stream, lanes, grant, self._names(lanes))
        return True

    async def _give_up(self, owned: Owned) -> None:
        await self._ownership.give_up(owned.stream)
        _log.info("stream_handed_over", stream=owned.stream.key, fence=owned.grant.fence)
        self._forget(owned)

    def _names(self, room: Lanes) -> LaneOf:
        """Give the function that names lanes; one for each handler, which complains once."""
        order_by = room.handler.order_by
        assert order_by is not None  # noqa: S101 - that is what makes it an ordered room
        return self._lane_of.setdefault(id(room), lane_of(order_by))

    def _lose(self, owned: Owned) -> None:
        _log.warning("stream_given_up", stream=owned.stream.key, fence=owned.grant.fence)
        self._ownership.forget(owned.stream)
        self._forget(owned)

    def _forget(self, owned: Owned) -> None:
        del self.owned[owned.stream.key]
        owned.room.lose(owned.stream)


def _now() -> float:
    return asyncio.get_running_loop().time()
