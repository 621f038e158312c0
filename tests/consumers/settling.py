"""An entry under our name, and the outcomes that are stored for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.entry import HeldEntry, History
from consumers.retry import SetAside
from consumers.rooms import Room
from consumers.settle import Settler
from relay.contract.cluster import is_cluster
from tests.consumers.making import dead_letters, due_times, histories, make_entry, pending

SET_ASIDE = SetAside("attempts_spent", "ValueError: last")


@dataclass
class Scene:
    """An entry that is pending under us, and everything needed to settle it.

    Args:
        store: A client.
        settler: Settles under our name.
        room: Holds the entry's place.
        entry: The entry.
    """

    store: Redis
    settler: Settler
    room: Room
    entry: HeldEntry

    async def state(self) -> tuple[Any, ...]:
        """Give everything that settling could change."""
        return (
            await pending(self.store),
            await due_times(self.store),
            await histories(self.store),
            await dead_letters(self.store),
        )

    def with_history(self, attempts: int, first_error: str) -> HeldEntry:
        """Give the entry as it is after failed attempts."""
        entry = self.entry
        return make_entry(
            entry.entry_id,
            fields=dict(entry.fields),
            history=History(attempts, first_error),
        )


def unless_in_cluster(store: Redis) -> None:
    """Leave a test out that looks at the one wire over which acknowledgements go elsewhere."""
    if is_cluster(store):
        pytest.skip("in a cluster acknowledgements go over no wire")


Act = Callable[[Scene], Awaitable[Any]]


async def park(scene: Scene) -> bool:
    """Park the entry after a failure."""
    return await scene.settler.park(scene.entry, 1.5, "ValueError: x")


async def set_aside(scene: Scene) -> None:
    """Move the entry to the dead letters."""
    await scene.settler.settle(scene.entry, scene.room, SET_ASIDE)
