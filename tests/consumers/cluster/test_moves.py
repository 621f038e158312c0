"""Worker processes over six servers, while a slot moves and while a primary dies."""

import pytest
from redis.asyncio import Redis

from consumers.app import WorkerProcess
from tests.clusters import SixNodes
from tests.consumers.cluster.town import KEYS_OF_ORDER, ORDERED, SHARED, Town, owner_of
from tests.consumers.making import KEYS
from tests.consumers.working import running
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.alone]


@pytest.fixture
def town(six: SixNodes, six_store: Redis) -> Town:
    """Two endpoints on each primary, and nothing in them."""
    return Town(six, six_store)


async def judge(town: Town, *processes: WorkerProcess) -> None:
    """Assert that all that there is was handled, by the processes that there were."""
    for tag in town.tags:
        for kind in (SHARED, ORDERED):
            assert set(await town.ids(tag, kind)) <= set(town.handled[tag, kind])

    async def are_ready() -> bool:
        return all([await process.is_ready() for process in processes])

    # The beat may lie on a server that has been away.
    await wait_until(are_ready, deadline_seconds=30, description="all are at work")


def in_order(ids: list[str]) -> bool:
    """Tell whether the first runs of each key's events came in their order."""
    first = list(dict.fromkeys(ids))
    for key in range(KEYS_OF_ORDER):
        numbers = [int(one.partition("_c")[2]) for one in first if one.startswith(f"k{key}_")]
        if numbers != sorted(numbers):
            return False
    return True


async def test_workers_go_on_while_a_slot_moves(town: Town, six: SixNodes) -> None:
    """Each event of every endpoint is handled, some of them in order; nothing stays pending."""
    moved = town.tags[0]
    slot = six.slot_of(KEYS.streams(moved))
    goal = next(node for node in six.primaries if node is not owner_of(six, moved))
    async with running(town.worker(), six.url) as one, running(town.worker(), six.url) as two:
        async with town.sending():
            await town.until_more(10)
            source = six.begin_move(slot, goal)
            await town.until_more(5, *town.tags[1:])
            while six.move_keys(slot, source, goal, count=1):
                await town.until_more(1, *town.tags[1:])
            six.end_move(slot, goal)
            await town.until_more(10)
        await town.until_settled()
        await judge(town, one, two)

    assert owner_of(six, moved) is goal
    assert all(in_order(town.handled[tag, ORDERED]) for tag in town.tags)


async def test_a_server_that_is_away_with_its_replica_holds_up_its_own_endpoints_only(
    town: Town, six: SixNodes
) -> None:
    """Those of others are read, retried and kept in order all along; its own when it is back."""
    victim = owner_of(six, town.tags[0])
    away = [victim, six.replica_of(victim)]
    others = [tag for tag in town.tags if owner_of(six, tag) is not victim]
    async with running(town.worker(), six.url) as one:
        async with town.sending():
            await town.until_more(10)
            for node in away:
                node.fall_asleep()
            try:
                await town.until_more(15, *others)
                missed = len(town.handled[town.tags[0], SHARED])
                await town.until_more(15, *others)
                still = len(town.handled[town.tags[0], SHARED])
            finally:
                for node in away:
                    node.wake_up()
            await town.until_more(10)
        await town.until_settled()
        await judge(town, one)

    assert missed == still
    assert all(in_order(town.handled[tag, ORDERED]) for tag in others)


async def test_workers_go_on_while_a_primary_dies(town: Town, six: SixNodes) -> None:
    """The endpoints of the others without a pause, its own when its replica has its place."""
    victim = owner_of(six, town.tags[0])
    theirs = [tag for tag in town.tags if owner_of(six, tag) is victim]
    async with running(town.worker(), six.url) as one, running(town.worker(), six.url) as two:
        async with town.sending():
            await town.until_more(10)
            victim.kill()
            await town.until_more(10, *(tag for tag in town.tags if tag not in theirs))
            await town.until_more(10, *theirs)
        await town.until_settled()
        await judge(town, one, two)

    assert len(theirs) == 2
