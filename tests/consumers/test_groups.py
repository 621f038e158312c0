"""What can be seen of consumer groups."""

from dataclasses import asdict
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.groups import GroupState, look
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    in_books,
    make_stream,
    pending,
    read_as,
)
from tests.consumers.waiting_long import held, make_due, put_off_for_days, returns_for

pytestmark = pytest.mark.redis

STREAM = make_stream()
LONG_AGO_MS = 120_000


async def state_of(store: Redis, group: str = GROUP, event_type: str = TYPE) -> GroupState:
    """Give what is seen of one group on one stream."""
    (found,) = [
        state
        for state in await look(store, KEYS)
        if (state.group, state.event_type) == (group, event_type)
    ]
    return found


def counted(state: GroupState, *names: str) -> dict[str, Any]:
    """Give some of the columns."""
    return {name: asdict(state)[name] for name in names}


async def unless_uncounted(store: Redis, unread: int) -> int | None:
    """Give what is seen of a number of unread entries: servers before 7.0 do not count them."""
    server = await store.info("server")
    return unread if int(server["redis_version"].partition(".")[0]) >= 7 else None


async def test_a_group_that_has_not_begun_has_everything_to_read(store: Redis) -> None:
    """The oldest event's age is what it is behind."""
    entry_ids = await append_events(store, ["evt_1", "evt_2", "evt_3"])
    await store.xgroup_create(STREAM.key, GROUP, id="0")
    state = await state_of(store)

    assert counted(state, "unread", "pending", "alive", "gone") == {
        "unread": await unless_uncounted(store, 3),
        "pending": 0,
        "alive": 0,
        "gone": 0,
    }
    assert state.oldest_ms is not None
    assert (state.tag, state.stream) == (TAG, STREAM.key)
    assert len(entry_ids) == 3


async def test_a_group_that_is_done_has_nothing_to_do(store: Redis) -> None:
    """Not even an oldest event."""
    await append_events(store, ["evt_1"])
    (entry_id,) = await read_as(store, "worker")
    await store.xack(STREAM.key, GROUP, entry_id)

    assert counted(await state_of(store), "unread", "pending", "oldest_ms") == {
        "unread": 0,
        "pending": 0,
        "oldest_ms": None,
    }


async def test_nothing_unread_is_told_also_when_the_server_has_stopped_counting(
    store: Redis,
) -> None:
    """It does after entries in the middle were deleted."""
    entry_ids = await append_events(store, ["evt_1", "evt_2", "evt_3"])
    await store.xgroup_create(STREAM.key, GROUP, id=entry_ids[0])
    await store.xdel(STREAM.key, entry_ids[1])
    await read_as(store, "worker")

    assert (await state_of(store)).unread == 0


@pytest.mark.parametrize("which", ["pending", "unread"])
async def test_the_oldest_unsettled_event_is_the_older_of_pending_and_unread(
    store: Redis, which: str
) -> None:
    """Its age says how far the group is behind, whatever the counts say."""
    await append_events(store, ["evt_1"])
    await store.delete(STREAM.key)
    now = int(1000 * float("{}.{:06}".format(*await store.time())))
    old, young = f"{now - 50_000}-0", f"{now - 10_000}-0"
    await store.xgroup_create(STREAM.key, GROUP, id="0", mkstream=True)
    for entry_id in (old, young):
        await store.xadd(STREAM.key, {"id": entry_id}, id=entry_id)
        if which == "pending" and entry_id == old:
            await read_as(store, "worker")
    state = await state_of(store)

    assert state.pending == (1 if which == "pending" else 0)
    assert state.oldest_ms is not None
    assert 50_000 <= state.oldest_ms < 80_000


async def test_a_parked_event_still_counts_as_unsettled(store: Redis) -> None:
    """Its consumer is the books' and not a process."""
    await append_events(store, ["evt_1"])
    (entry_id,) = await read_as(store, "@park")
    await store.zadd(KEYS.park(TAG, GROUP), {in_books(entry_id): 1.0})
    state = await state_of(store)

    assert counted(state, "pending", "parked", "alive", "gone") == {
        "pending": 1,
        "parked": 1,
        "alive": 0,
        "gone": 0,
    }
    assert state.oldest_ms is not None
    assert await pending(store) == {entry_id: "@park"}


async def test_what_waits_long_is_counted_and_what_is_given_again_has_a_row(
    store: Redis,
) -> None:
    """Both are out of the stream, and not out of sight."""
    for entry in await held(store, "evt_1", "evt_2"):
        await put_off_for_days(store, entry)
    waiting = await state_of(store)
    await make_due(store)
    await returns_for(store).look()
    own, again = await state_of(store), await state_of(store, event_type=f"@again:{TYPE}")

    assert counted(waiting, "pending", "parked") == {"pending": 0, "parked": 2}
    assert counted(own, "unread", "parked") == {"unread": 0, "parked": 0}
    assert counted(again, "unread", "pending") == {
        "unread": await unless_uncounted(store, 2),
        "pending": 0,
    }


async def test_dead_letters_are_counted_for_their_group(store: Redis) -> None:
    """Another group's are not."""
    await append_events(store, ["evt_1"])
    for name in (GROUP, "billing"):
        await store.xgroup_create(STREAM.key, name, id="0")
    await store.xadd(KEYS.dead(TAG, "billing"), {"id": "evt_0"})

    assert (await state_of(store)).dead == 0
    assert (await state_of(store, "billing")).dead == 1


@pytest.mark.parametrize(
    ("beats", "idle_ms", "alive"),
    [(True, LONG_AGO_MS, 1), (False, LONG_AGO_MS, 0), (False, 0, 1)],
    ids=["of ours, busy", "gone", "of another program"],
)
async def test_a_consumer_lives_if_it_beats_or_was_active_within_a_minute(
    store: Redis, monkeypatch: pytest.MonkeyPatch, alive: int, idle_ms: int, *, beats: bool
) -> None:
    """Other programs have no heartbeat."""
    await append_events(store, ["evt_1"])
    await read_as(store, "worker")
    if beats:
        await store.set(KEYS.alive(GROUP, "worker"), "1", px=60_000)
    told = store.xinfo_consumers

    async def told_later(*arguments: Any) -> Any:
        return [
            consumer | {"idle": consumer["idle"] + idle_ms} for consumer in await told(*arguments)
        ]

    monkeypatch.setattr(store, "xinfo_consumers", told_later)
    state = await state_of(store)

    assert (state.alive, state.gone) == (alive, 1 - alive)


async def test_groups_are_sorted_and_a_stream_that_is_gone_is_passed_over(store: Redis) -> None:
    """By group first: that is what one looks for."""
    for number, event_type in enumerate(["b", "a", "gone"]):
        await append_events(store, [f"evt_{number}"], event_type)
        for group in (GROUP, "billing"):
            await store.xgroup_create(make_stream(event_type).key, group, id="0")
    await store.delete(make_stream("gone").key)
    found = [(state.group, state.event_type) for state in await look(store, KEYS)]

    assert found == [("billing", "a"), ("billing", "b"), (GROUP, "a"), (GROUP, "b")]


async def test_an_empty_store_has_no_groups(store: Redis) -> None:
    """Looking makes nothing."""
    assert await look(store, KEYS) == []
    assert await store.dbsize() == 0
