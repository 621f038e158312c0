"""Gives a handler its entries no faster than its rate.

The wait comes before an entry is taken out of its room. So entries keep their places, and reading
stops by itself; none of them was started, so all are handed back at the end like any other; and
an ordered room finds out by itself where a stream has another owner meanwhile.
"""

import asyncio

from consumers.calling.rate import Bucket
from consumers.entry import HeldEntry
from consumers.rooms import Room


class PacedRoom:
    """A room whose entries are taken in turn, at most at a rate.

    Args:
        room: Where they come from.
        bucket: Holds them back.
    """

    def __init__(self, room: Room, bucket: Bucket) -> None:
        self._room = room
        self._bucket = bucket
        self._turn = asyncio.Lock()

    async def take(self) -> HeldEntry:
        """Wait until another entry may be handled, and for the entry."""
        async with self._turn:
            await self._bucket.wait()
            entry = await self._room.take()
            self._bucket.take()
            return entry
