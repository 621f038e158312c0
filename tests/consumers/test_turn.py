"""A lease is one process's, and only as long as it is kept."""

import pytest
from redis.asyncio import Redis

from consumers.turn import turn
from tests.consumers.making import full, us

pytestmark = pytest.mark.redis

LEASE = "relay:{unipile}@lease:trim"


async def test_a_lease_is_held_by_one(store: Redis) -> None:
    """It is given back at the end of the block."""
    async with turn(us(store), LEASE) as ours, turn(us(store, "other"), LEASE) as theirs:
        assert ours is not None
        assert theirs is None
        assert await store.get(LEASE) == b"us"

    assert not await store.exists(LEASE)


async def test_a_lease_that_is_kept_goes_on(store: Redis) -> None:
    """Its end is put off to a whole time from now."""
    async with turn(us(store), LEASE, 60_000) as ours:
        assert ours is not None
        await store.pexpire(LEASE, 1000)

        assert await ours.keep()
        assert await store.pttl(LEASE) > 1000


async def test_a_lease_that_was_lost_is_neither_kept_nor_given_back(store: Redis) -> None:
    """Another process holds it by then."""
    async with turn(us(store), LEASE) as ours:
        assert ours is not None
        await store.set(LEASE, "other", px=60_000)

        assert not await ours.keep()

    assert await store.get(LEASE) == b"other"


async def test_a_lease_ends_by_itself(store: Redis) -> None:
    """A process that dies keeps nobody from the duty."""
    async with turn(us(store), LEASE, 60_000):
        assert 0 < await store.pttl(LEASE) <= 60_000


async def test_a_full_server_gives_leases(store: Redis) -> None:
    """Its duties make room."""
    async with full(store), turn(us(store), LEASE) as ours:
        assert ours is not None
        assert await ours.keep()

    assert not await store.exists(LEASE)
