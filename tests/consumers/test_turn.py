"""A lease is one process's, and only as long as it is kept."""

import pytest
from redis.asyncio import Redis

from consumers import turn
from consumers.turn import Turn
from tests.consumers.making import full, us

pytestmark = pytest.mark.redis

LEASE = "relay:{unipile}@lease:trim"


@pytest.fixture(autouse=True)
def renewed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each renewal sent, however young the lease is."""
    monkeypatch.setattr(turn, "RENEWED_AFTER", 0)


def turn_for(store: Redis, name: str = "us") -> Turn:
    """Make one process's turn."""
    return Turn(us(store, name), LEASE, 60_000)


async def test_a_lease_is_held_by_one(store: Redis) -> None:
    """It ends by itself, and can be given back before that."""
    ours, theirs = turn_for(store), turn_for(store, "other")
    taken = [await ours.take(), await theirs.take()]
    ends_ms = await store.pttl(LEASE)
    await ours.give_back()

    assert taken == [True, False]
    assert 0 < ends_ms <= 60_000
    assert await theirs.take()


async def test_a_lease_that_is_kept_goes_on(store: Redis) -> None:
    """Its end is put off to a whole time from now."""
    ours = turn_for(store)
    await ours.take()
    await store.pexpire(LEASE, 1000)

    assert await ours.keep()
    assert await store.pttl(LEASE) > 1000


async def test_a_lease_that_was_lost_is_neither_kept_nor_given_back(store: Redis) -> None:
    """Another process holds it by then."""
    ours = turn_for(store)
    await ours.take()
    await store.set(LEASE, "other", px=60_000)

    assert not await ours.keep()
    await ours.give_back()
    assert await store.get(LEASE) == b"other"


async def test_a_full_server_gives_leases(store: Redis) -> None:
    """Their duties make room."""
    ours = turn_for(store)
    async with full(store):
        assert await ours.take()
        assert await ours.keep()
        await ours.give_back()

    assert not await store.exists(LEASE)
