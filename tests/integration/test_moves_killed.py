"""A server that dies between any two commands of a move finds every event in one place.

Each move is sent to a server that writes to disk before it answers. After so many commands it is
killed, and the reply to the last of them is lost.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from consumers.entry import HeldEntry
from consumers.retry import TryAgain
from consumers.settle import Settler
from consumers.waiting.later import LATER_SECONDS
from relay.contract.connect import connect
from tests.consumers.making import KEYS, TAG, dead_letters, make_room, pending, us
from tests.consumers.settling import SET_ASIDE
from tests.consumers.waiting_long import (
    given_again,
    held,
    long_due,
    make_due,
    put_off_for_days,
    returns_for,
    waiting_long,
)
from tests.servers import Server

pytestmark = pytest.mark.redis

Move = Callable[[Redis, HeldEntry], Awaitable[Any]]


class Killed(Exception):
    """The server was killed: this process dies with it, and tries nothing again."""


@pytest.fixture
async def durable(own_server: Server) -> AsyncIterator[Redis]:
    """A client of `own_server`."""
    client = connect(own_server.url, role="test", connections=4)
    yield client
    await client.aclose()


@contextmanager
def killing(server: Server, after: int) -> Iterator[None]:
    """Kill the server within the block after so many commands."""
    sent: list[object] = []
    real = Redis.execute_command

    async def counted(self: Redis, *parts: object, **options: object) -> object:
        reply = await real(self, *parts, **options)  # type: ignore[no-untyped-call]
        sent.append(parts[0])
        if len(sent) == after:
            server.kill()
            raise Killed
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Redis, "execute_command", counted)
        yield


async def set_aside(store: Redis, entry: HeldEntry) -> None:
    """Move an entry to the dead letters."""
    room = make_room()
    room.put(entry)
    await Settler(us(store)).settle(entry, room, SET_ASIDE)


async def put_off(store: Redis, entry: HeldEntry) -> None:
    """Move an entry to what waits long."""
    room = make_room()
    room.put(entry)
    await Settler(us(store)).settle(entry, room, TryAgain(LATER_SECONDS + 1, "ValueError: x"))


async def bring_back(store: Redis, _: HeldEntry) -> None:
    """Move an entry to what is given again."""
    await returns_for(store).look()


async def places(store: Redis) -> list[str]:
    """Say where the event is: once for each place."""
    again = await given_again(store)
    return (
        ["in hand"] * len(await pending(store))
        + ["dead"] * len(await dead_letters(store))
        + ["waits"] * len(await waiting_long(store))
        + ["again"] * len(again)
    )


# A script that the server does not know yet is two commands. The third move looks at the clock and
# for what is due, and takes a lease, before its script; after that it wakes the readers.
@pytest.mark.parametrize(
    ("move", "ends", "after"),
    [
        (set_aside, "dead", 1),
        (set_aside, "dead", 2),
        (put_off, "waits", 1),
        (put_off, "waits", 2),
        (bring_back, "again", 4),
        (bring_back, "again", 6),
        (bring_back, "again", 7),
    ],
)
async def test_a_move_is_done_or_not_and_may_be_repeated(
    own_server: Server, durable: Redis, move: Move, ends: str, after: int
) -> None:
    """The event is never in two places nor in none, and ends where it should."""
    (entry,) = await held(durable, "evt_1")
    if move is bring_back:
        await put_off_for_days(durable, entry)
        await make_due(durable)
    before = await places(durable)
    with killing(own_server, after), suppress(Killed, RedisError):
        await move(durable, entry)
    if not own_server.is_running:
        own_server.start()
        await durable.connection_pool.disconnect()
    found = await places(durable)
    due = await long_due(durable)
    await durable.delete(KEYS.lease_later(TAG, us(durable).group))
    await move(durable, entry)

    assert found in (before, [ends])
    assert len(due) == found.count("waits")
    assert await places(durable) == [ends]
