"""What a replay says beforehand."""

from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from consumers.operations.replay import survey
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    make_stream,
    numbered,
    read_as,
)
from tests.consumers.operations.replay.making import (
    AGAIN,
    copied,
    handled,
    of_account,
    planned,
    replayed,
    stored,
    stored_event,
)

pytestmark = pytest.mark.redis


async def test_a_plan_says_how_much_and_of_when(store: Redis) -> None:
    """Per stream, exactly where that is cheap; and writes nothing."""
    ids = await stored(store, numbered(300))
    before = await store.dbsize()

    plan = await planned(store)

    (stream,) = plan.streams
    assert (stream.entries, stream.exact, stream.unread, stream.ordered) == (
        300,
        True,
        False,
        False,
    )
    assert (stream.oldest, stream.newest, stream.held_from) == (ids[0], ids[-1], ids[0])
    assert 300 * 100 < stream.size_bytes < 300 * 1000
    assert (plan.entries, plan.exact, await store.dbsize()) == (300, True, before)


async def test_a_part_of_a_stream_is_counted(store: Redis) -> None:
    """Page by page, as far as there is time."""
    ids = await stored(store, numbered(500))

    plan = await planned(store, since=ids[10], until=ids[400])

    (stream,) = plan.streams
    assert (stream.entries, stream.exact) == (391, True)
    assert (stream.oldest, stream.newest, stream.first) == (ids[10], ids[400], ids[10])


async def test_what_is_too_much_to_count_is_estimated(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the entries came evenly; and it says that it does."""
    monkeypatch.setattr(survey, "LOOKS", 256)
    key = make_stream().key
    for number in range(2000):
        await store.xadd(key, {"id": f"evt_{number}"}, id=f"{1000 + 10 * number}-0")
    await store.sadd(KEYS.tags, TAG)
    await store.hset(KEYS.streams(TAG), TYPE, "1 1000-0")
    await handled(store)

    plan = await planned(store, since="1010-0")

    (stream,) = plan.streams
    assert not stream.exact
    assert 1800 < stream.entries < 2200


async def test_a_plan_that_has_found_nothing_yet_is_still_one(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is meant may stand behind what there was time to look at."""
    monkeypatch.setattr(survey, "LOOKS", 8)
    await stored(store, numbered(300))

    plan = await planned(store, ids=("evt_299",))
    result = await replayed(store, ids=("evt_299",))

    assert (plan.entries, plan.exact, len(plan.streams)) == (0, False, 1)
    assert await copied(store) == ["evt_299"]
    assert result.copied == 1


async def test_a_plan_says_whether_somebody_will_handle_it(store: Redis) -> None:
    """A worker with a heartbeat will; another program does not read copies, however active."""
    await append_events(store, ["evt_1"])
    await read_as(store, "theirs")
    before = await planned(store)
    await read_as(store, "us")
    await store.xgroup_createconsumer(make_stream().key, GROUP, "us")
    await store.set(KEYS.alive(GROUP, "us"), "1", px=60_000)

    assert (before.alive, (await planned(store)).alive) == (0, 1)


async def test_all_of_a_stream_is_counted_however_much_it_is(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server knows its length."""
    monkeypatch.setattr(survey, "LOOKS", 8)
    await stored(store, numbered(300))

    plan = await planned(store)

    assert (plan.entries, plan.exact) == (300, True)


async def test_a_plan_says_what_is_not_settled_and_what_had_an_order(store: Redis) -> None:
    """The one may be handled twice, the other loses its order."""
    await append_events(store, numbered(3))
    await read_as(store, "us")
    await store.hset(KEYS.owner(TAG, GROUP, TYPE), "fence", "1")

    (stream,) = (await planned(store)).streams

    assert (stream.pending, stream.ordered) == (3, True)


async def test_a_plan_says_from_when_on_a_stream_still_holds_events(store: Redis) -> None:
    """What was trimmed cannot be replayed."""
    ids = await stored(store, numbered(10))
    await store.xtrim(make_stream().key, minid=ids[4], approximate=False)

    (stream,) = (await planned(store, since=ids[0])).streams

    assert (stream.held_from, stream.entries) == (ids[4], 6)


async def test_a_filter_counts_what_it_leaves(store: Redis) -> None:
    """The whole length of a stream would say too much."""
    await stored_event(store, of_account("evt_1", "acc_1"))
    await stored(store, numbered(20, "other"))

    plan = await planned(store, account="acc_1")

    assert (plan.entries, plan.exact) == (1, True)


async def test_a_key_that_is_no_stream_is_named(store: Redis) -> None:
    """And the others are planned."""
    await stored(store, ["evt_1"])
    await store.hset(KEYS.streams(TAG), "email.new", "2 1-0")
    await store.set(KEYS.stream(TAG, "email.new"), "mine", px=60_000)

    plan = await planned(store)

    assert [key for key, _ in plan.faults] == [KEYS.stream(TAG, "email.new")]
    assert plan.entries == 1


async def test_a_stream_that_is_gone_is_passed_over(store: Redis) -> None:
    """Registered and trimmed away, it has nothing to say."""
    await store.sadd(KEYS.tags, TAG)
    await store.hset(KEYS.streams(TAG), "email.new", "1 1-0")

    plan = await planned(store)

    assert (plan.streams, plan.faults, plan.entries) == ((), (), 0)


async def test_a_range_of_times_is_one_of_ids(store: Redis) -> None:
    """Nothing was stored that long ago, and nothing will be read that is to come."""
    await stored(store, ["evt_1"])
    long_ago = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1000)

    plan = await planned(store, until=f"{long_ago}-0")

    assert (plan.streams, len(plan.empty)) == ((), 1)
    assert await store.exists(AGAIN) == 0
