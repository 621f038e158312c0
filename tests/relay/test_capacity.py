"""Stopping ingress before the workers must stop."""

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError
from structlog.testing import capture_logs

from relay import capacity
from relay.capacity import Capacity
from relay.metrics import Metrics
from tests.waiting import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis


class Store:
    """Answers INFO with what the test says."""

    def __init__(self, **memory: int) -> None:
        self.memory = memory
        self.error: Exception | None = None
        self.asked = 0

    async def info(self, section: str) -> dict[str, Any]:
        """Answer ``INFO memory``."""
        assert section == "memory"
        self.asked += 1
        if self.error:
            raise self.error
        return self.memory


def make_capacity(store: Store) -> Capacity:
    """Watch a store."""
    return Capacity(cast("Redis", store), Metrics())


@pytest.mark.parametrize(
    ("memory", "full"),
    [
        ({"maxmemory": 1000, "used_memory": 0}, False),
        ({"maxmemory": 1000, "used_memory": 849}, False),
        ({"maxmemory": 1000, "used_memory": 850}, True),
        ({"maxmemory": 1000, "used_memory": 2000}, True),
        ({"maxmemory": 0, "total_system_memory": 2000, "used_memory": 849}, False),
        ({"maxmemory": 0, "total_system_memory": 2000, "used_memory": 850}, True),
        ({"maxmemory": 0, "used_memory": 850}, False),
    ],
)
async def test_it_is_full_at_85_percent(memory: dict[str, int], *, full: bool) -> None:
    """Of maxmemory, or of half the machine's memory where that is not set."""
    found = make_capacity(Store(**memory))

    await found.look()

    assert found.is_full is full


@pytest.mark.parametrize(("used", "short"), [(699, False), (700, True), (900, True)])
async def test_it_is_short_of_room_from_70_percent_on(used: int, *, short: bool) -> None:
    """What only explains is kept no longer, before events are refused."""
    found = make_capacity(Store(maxmemory=1000, used_memory=used))

    await found.look()

    assert found.is_short is short


async def test_it_has_room_again_by_itself() -> None:
    """When entries were trimmed, ingress goes on; each change is one log line."""
    store = Store(maxmemory=1000, used_memory=900)
    found = make_capacity(store)

    with capture_logs() as captured:
        await found.look()
        await found.look()
        store.memory["used_memory"] = 100
        await found.look()

    assert not found.is_full
    assert [line["event"] for line in captured] == ["store_full", "store_has_room"]


async def test_a_store_that_is_away_is_not_taken_for_full() -> None:
    """Another may come back in its place, and what is refused until then has another reason."""
    store = Store(maxmemory=1000, used_memory=900)
    found = make_capacity(store)
    await found.look()
    store.error = RedisConnectionError()

    with pytest.raises(RedisConnectionError):
        await found.watch()

    assert not found.is_full


async def test_without_leave_to_ask_nothing_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where INFO is not permitted, only the store's own refusal counts."""
    monkeypatch.setattr(capacity, "POLL_SECONDS", 0.001)
    store = Store(maxmemory=1000, used_memory=900)
    found = make_capacity(store)
    await found.look()
    store.error = NoPermissionError()

    watching = asyncio.create_task(found.watch())
    await wait_until(lambda: store.asked >= 4, description="it goes on asking")
    watching.cancel()
    await asyncio.wait({watching})

    assert not found.is_full


async def test_a_store_that_fills_up_quickly_is_looked_at_oftener() -> None:
    """So that it stops in time, however small it is; one that is steady is left alone."""
    store = Store(maxmemory=1000, used_memory=500)
    found = make_capacity(store)
    await found.look()
    await found.look()
    steady = found._pause

    store.memory["used_memory"] = 800
    await found.look()
    filling = found._pause

    assert steady == capacity.POLL_SECONDS
    assert filling < steady
