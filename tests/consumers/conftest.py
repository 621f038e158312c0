"""What several modules about the workers begin with."""

import pytest
from redis.asyncio import Redis

from consumers.settle import Settler
from tests.consumers.making import (
    US,
    append_events,
    fields_for,
    make_entry,
    make_room,
    read_as,
    us,
)
from tests.consumers.settling import Scene


@pytest.fixture
async def scene(store: Redis) -> Scene:
    """One event, read by us."""
    (entry_id,) = await append_events(store, ["evt_1"])
    await read_as(store, US)
    room = make_room()
    entry = make_entry(entry_id, fields=fields_for("evt_1"))
    room.put(entry)
    return Scene(store, Settler(us(store)), room, entry)
