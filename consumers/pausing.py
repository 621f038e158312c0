"""Has this process begin no new run of a handler on streams that an operator has paused.

What is paused is read at start, at each piece of news, and every ten seconds besides. Paused
streams are not read, claimed from or taken over; what was read of them and has not begun is handed
back to the store, so that it fills no room. What runs goes on to its end. Where the state cannot
be read, the last one stays; where it was never read, nothing is begun.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.rooms import House
from consumers.settle import Settler
from consumers.skips import Skips
from relay.contract.cluster import is_cluster
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError
from relay.contract.duties import to_its_end
from relay.contract.paused import Pause, read_pauses

PAGE = 256

_log = structlog.get_logger("consumers.pausing")


class Pausing:
    """Knows what is paused.

    Args:
        us: This process.
        house: Holds back what was read of a paused stream.
        routes: Leaves paused streams out.
        settler: Hands entries back.
        review: Has every room look again at what waits in it.
    """

    def __init__(
        self,
        us: Consumer,
        *,
        house: House,
        routes: Routes,
        settler: Settler,
        review: Callable[[], None],
    ) -> None:
        self._us = us
        self._house = house
        self._routes = routes
        self._settler = settler
        self._review = review
        self._skips = Skips("pausing")
        self._is_known = False
        self._held_back = asyncio.Event()
        house.on_held_back = self._held_back.set
        # Of every group: paused ones hold their streams.
        self.pauses: Sequence[Pause] = ()
        # Called with whether anything goes on again.
        self.on_change: Callable[[bool], None] = lambda _: None

    async def look(self) -> None:
        """Read what is paused, and obey.

        Raises:
            RedisError, OSError: The store is away. Of a cluster, its server is and was never asked
                before; else the others may be there, and the last state holds.
        """
        try:
            fields: dict[bytes, bytes] = await self._us.redis.hgetall(self._us.keys.paused)  # type: ignore[assignment]
        except ResponseError as error:
            self._skips.note(self._us.keys.paused, error)
            return
        except UNKNOWN_OUTCOME as error:
            if not self._is_known or not is_cluster(self._us.redis):
                raise
            self._skips.note(self._us.keys.paused, error)
            return
        self._is_known = True
        self._skips.clear(self._us.keys.paused)
        self._obey(read_pauses(fields))

    async def run(self) -> None:
        """Hand back what is held back, until cancelled."""
        while True:
            while self._house.held_back:
                # What was handed back may be another's, so it must be let go also at the end.
                await to_its_end(self._hand_back())
            self._held_back.clear()
            await self._held_back.wait()

    def left(self) -> list[HeldEntry]:
        """Give what is still held back at the end, to be handed back with the rest."""
        return [entry for _, entry in self._house.held_back]

    def _obey(self, pauses: Sequence[Pause]) -> None:
        before, ours = set(self._routes.pauses), [p for p in pauses if p.group == self._us.group]
        self.pauses = pauses
        rested, resumed = self._routes.rest(ours)
        for name, changed in (
            ("group_paused", set(ours) - before),
            ("group_resumed", before - set(ours)),
        ):
            for pause in changed:
                _log.info(name, group=pause.group, pattern=str(pause.pattern))
        if rested:
            self._review()
        if rested or resumed:
            self.on_change(bool(resumed))

    async def _hand_back(self) -> None:
        page = self._house.held_back[:PAGE]
        await self._settler.hand_back([entry for _, entry in page])
        del self._house.held_back[: len(page)]
        for room, entry in page:
            room.let_go(entry)
