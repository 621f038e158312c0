"""Has a duty go on that stopped for want of room, as soon as there is some."""

import asyncio
from collections.abc import Iterable

from consumers.rooms import House, Room


class Refill:
    """Waits for time to pass, or for room in those rooms that a duty has more for.

    Args:
        house: Tells when places are given back.
    """

    def __init__(self, house: House) -> None:
        self._wanted: dict[int, Room] = {}
        self._regained = asyncio.Event()
        house.on_room.append(self._look)

    def want(self, rooms: Iterable[Room]) -> None:
        """Say for which rooms there is more than they could take; the last word counts."""
        self._wanted = {id(room): room for room in rooms}
        self._regained.clear()
        self._look()

    async def wait(self, seconds: float) -> bool:
        """Wait; true where room was regained before the time had passed."""
        if seconds <= 0:
            return False  # also where room is regained all the time
        try:
            async with asyncio.timeout(seconds):
                await self._regained.wait()
        except TimeoutError:
            return False
        # Told once: a duty that cannot go on all the same must not be sent round in circles.
        self._regained.clear()
        return True

    def _look(self) -> None:
        # A whole share at a time: each round costs the store a few commands, however few it brings.
        if any(room.free_for_claims >= room.claims_share for room in self._wanted.values()):
            self._regained.set()
