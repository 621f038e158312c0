"""The strike under which a suspect runs: written before its handler starts, removed after its end.

Only a process that dies in between leaves it in the store. So what convicts an entry is that it
ran, alone, when processes died; its neighbours are never blamed.
"""

import asyncio
from collections.abc import Callable

import structlog

from consumers.consumer import Consumer
from consumers.entry import HeldEntry
from consumers.persist import persist
from consumers.rooms import Room
from consumers.skips import Skips
from consumers.suspects.suspicion import Suspicion
from relay.contract.connect import ResponseError
from relay.contract.duties import cancel
from relay.contract.script import Call, Script

REFUSED_PAUSE_SECONDS = 15.0

_strike = Script("consumers", "suspects/strike")
_log = structlog.get_logger("consumers.suspects.strikes")


class Strikes:
    """Writes strikes for the suspects of this process.

    Args:
        us: Under whose name they are pending.
        on_lost: Is told of a suspect that turned out to be another's.
    """

    def __init__(self, us: Consumer, on_lost: Callable[[HeldEntry], None]) -> None:
        self._us = us
        self._on_lost = on_lost
        self._marked: dict[tuple[str, str], HeldEntry] = {}
        self._aside: set[asyncio.Task[None]] = set()
        self._skips = Skips("strikes")

    async def mark(self, entry: HeldEntry, room: Room) -> bool:
        """Write the strike under which a suspect is about to run, however long the store is away.

        Args:
            entry: The suspect.
            room: Where it holds its place.

        Returns:
            Whether it may run. If not, it is seen to: one that is another's by now is let go,
            and one whose strike the store refuses for good keeps its place and is lined up again
            after a while.
        """
        # Noted first: what was sent and not answered may be written.
        self._marked[_key(entry)] = entry
        room.gives_up(entry)
        try:
            written = await self._write(entry, entry.suspicion.struck())
        except ResponseError as error:
            self._skips.note(self._book(entry), error)
            self.keep(entry)
            room.keeps(entry)
            self._set_aside(entry, room)
            return False
        self._skips.clear(self._book(entry))
        if not written:
            self.keep(entry)
            _log.warning("suspect_lost", stream=entry.stream.key, entry_id=entry.entry_id)
            self._on_lost(entry)
            room.let_go(entry)
        else:
            room.keeps(entry)
        return written

    async def lift(self, entry: HeldEntry) -> None:
        """Remove the strike after the run, however that ended; without one nothing is done."""
        if _key(entry) not in self._marked:
            return
        try:
            await self._write(entry, entry.suspicion)
        except ResponseError as error:
            self._skips.note(self._book(entry), error)
        self.keep(entry)

    def keep(self, entry: HeldEntry) -> None:
        """Leave the strike as it is: the handler has ended the process, or there is none."""
        self._marked.pop(_key(entry), None)

    async def withdraw(self) -> None:
        """Remove the strikes of all that still runs: a process that says goodbye has not died."""
        entries = list(self._marked.values())
        self._marked.clear()
        if entries:
            calls = [self._call(entry, entry.suspicion) for entry in entries]
            await _strike.many(self._us.redis, calls)

    async def stop(self) -> None:
        """Give up what the store has refused; its entries stay pending for others."""
        await cancel(self._aside)

    async def _write(self, entry: HeldEntry, suspicion: Suspicion) -> bool:
        keys, arguments = self._call(entry, suspicion)
        return bool(await persist(lambda: _strike(self._us.redis, keys, *arguments)))

    def _call(self, entry: HeldEntry, suspicion: Suspicion) -> Call:
        about = (entry.entry_id, entry.member, suspicion.written())
        keys = [entry.stream.key, self._book(entry)]
        return keys, (self._us.group, self._us.name, *about)

    def _book(self, entry: HeldEntry) -> str:
        return self._us.keys.strikes(entry.stream.tag, self._us.group)

    def _set_aside(self, entry: HeldEntry, room: Room) -> None:
        aside = asyncio.create_task(_line_up_later(entry, room), name="strike-later")
        self._aside.add(aside)
        aside.add_done_callback(self._aside.discard)


async def _line_up_later(entry: HeldEntry, room: Room) -> None:
    await asyncio.sleep(REFUSED_PAUSE_SECONDS)
    room.line_up_again(entry)


def _key(entry: HeldEntry) -> tuple[str, str]:
    return entry.stream.key, entry.entry_id
