"""What can be seen of consumer groups."""

from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.operations.groups.look import look
from consumers.operations.groups.pause import pause
from consumers.operations.groups.state import GroupState
from relay.contract.patterns import parse_pattern
from relay.hold import Holder
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    make_stream,
    pending,
    read_as,
    unless_uncounted,
)
from tests.consumers.waiting_long import held, make_due, put_off_for_days, returns_for

pytestmark = pytest.mark.redis

STREAM = make_stream()
LONG_AGO_MS = 120_000


async def state_of(store: Redis, group: str = GROUP, event_type: str = TYPE) -> GroupState:
    """Give what is seen of one group on one stream."""
    (found,) = [
        state
        for state in (await look(store, KEYS)).states
        if (state.group, state.stream.book_name) == (group, event_type)
    ]
    return found


def counted(state: GroupState, *names: str) -> dict[str, Any]:
    """Give some of the columns; of consumers how many there are."""
    values = {name: getattr(state, name) for name in names}
    return {name: len(v) if isinstance(v, list) else v for name, v in values.items()}


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
    assert state.stream == STREAM
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
    state = await state_of(store)

    assert counted(state, "pending", "parked", "in_flight", "alive", "gone") == {
        "pending": 1,
        "parked": 1,
        "in_flight": 0,
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

    assert counted(waiting, "pending", "later") == {"pending": 0, "later": 2}
    assert counted(own, "unread", "later") == {"unread": 0, "later": 0}
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
    monkeypatch.setattr("consumers.operations.groups.look.ACTIVE_MS", 60_000 - idle_ms)
    state = await state_of(store)

    assert (len(state.alive), len(state.gone)) == (alive, 1 - alive)
    assert (state.in_flight, state.left_behind) == (alive, 1 - alive)


async def test_groups_are_sorted_and_a_stream_that_is_gone_is_passed_over(store: Redis) -> None:
    """By group first: that is what one looks for."""
    for number, event_type in enumerate(["b", "a", "gone"]):
        await append_events(store, [f"evt_{number}"], event_type)
        for group in (GROUP, "billing"):
            await store.xgroup_create(make_stream(event_type).key, group, id="0")
    await store.delete(make_stream("gone").key)
    seen = await look(store, KEYS)
    found = [(state.group, state.stream.event_type) for state in seen.states]

    assert found == [("billing", "a"), ("billing", "b"), (GROUP, "a"), (GROUP, "b")]
    assert seen.troubles == []


async def test_an_empty_store_has_no_groups(store: Redis) -> None:
    """Looking makes nothing."""
    assert (await look(store, KEYS)).states == []
    assert await store.dbsize() == 0


async def test_what_waits_behind_another_is_told_from_what_is_in_flight(store: Redis) -> None:
    """An ordered stream's lanes are in the books' hands."""
    await append_events(store, ["evt_1", "evt_2"])
    await read_as(store, "@lane")

    assert counted(await state_of(store), "pending", "laned", "in_flight") == {
        "pending": 2,
        "laned": 2,
        "in_flight": 0,
    }


async def test_a_group_without_living_consumers_is_abandoned_where_it_holds_something(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where it is done, and not if one lives that reads another stream."""
    monkeypatch.setattr("consumers.operations.groups.look.ACTIVE_MS", 0)
    await append_events(store, ["evt_1"])
    await append_events(store, ["evt_2"], "done")
    await read_as(store, "gone")
    (entry_id,) = await read_as(store, "gone", make_stream("done"))
    await store.xack(make_stream("done").key, GROUP, entry_id)
    here, there = await state_of(store), await state_of(store, event_type="done")
    await store.set(KEYS.alive(GROUP, "gone"), "1", px=60_000)

    assert (here.abandoned, there.abandoned) == (True, False)
    assert not (await state_of(store)).abandoned


async def test_what_a_group_is_given_again_is_found_also_where_it_is_on_no_stream(
    store: Redis,
) -> None:
    """Letters may be redriven after it was removed; its name is needed, nothing else tells."""
    await append_events(store, ["evt_1"])
    again = KEYS.again(TAG, GROUP, TYPE)
    await store.xgroup_create(again, GROUP, id="0", mkstream=True)
    seen = await look(store, KEYS, group=GROUP)

    assert [state.stream.key for state in seen.states] == [again]


async def test_a_pause_and_the_configuration_are_shown_where_they_apply(store: Redis) -> None:
    """Both say of which streams they speak."""
    for event_type in (TYPE, "email.new"):
        await append_events(store, [f"evt_{event_type}"], event_type)
        await store.xgroup_create(make_stream(event_type).key, GROUP, id="0")
    paused = await pause(store, KEYS, GROUP, parse_pattern("*:email.*"), by="me", reason="why")
    await Holder(store, KEYS, {GROUP: [parse_pattern(f"*:{TYPE}")]}).confirm(TAG)
    one, other = await state_of(store), await state_of(store, event_type="email.new")

    assert (one.pauses, one.configured) == ((), True)
    assert (other.pauses, other.configured) == ((paused.pause,), False)


@pytest.mark.parametrize(
    "spoiled",
    [
        KEYS.stream(TAG, "spoiled"),
        KEYS.dead(TAG, GROUP),
        KEYS.later(TAG, GROUP),
        KEYS.again(TAG, GROUP, TYPE),
        KEYS.groups(TAG),
        KEYS.paused,
        KEYS.streams("other"),
    ],
)
async def test_a_key_of_a_wrong_type_is_named_and_the_rest_is_seen(
    store: Redis, spoiled: str
) -> None:
    """Nothing else is hidden by it."""
    await append_events(store, ["evt_1"])
    await read_as(store, "worker")
    await append_events(store, ["evt_2"], "spoiled")
    await store.sadd(KEYS.tags, "other")
    await store.delete(spoiled)
    await store.set(spoiled, "something else", px=60_000)
    seen = await look(store, KEYS)

    assert [(trouble.key, trouble.error) for trouble in seen.troubles] == [(spoiled, "WRONGTYPE")]
    assert [state.stream.key for state in seen.states] == [STREAM.key]
    assert seen.states[0].in_flight == 1


async def test_a_thousand_streams_are_looked_at_in_a_few_round_trips(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none is left out at the end of a page."""
    pipeline = store.pipeline(transaction=False)
    names = [f"t{number:04}" for number in range(1001)]
    pipeline.sadd(KEYS.tags, TAG)
    for name in names:
        pipeline.hset(KEYS.streams(TAG), name, "1 0-1")
        pipeline.xgroup_create(make_stream(name).key, GROUP, id="0", mkstream=True)
    await pipeline.execute()
    trips = 0
    pipelined = store.pipeline

    def counting(**options: Any) -> Any:
        nonlocal trips
        trips += 1
        return pipelined(**options)

    monkeypatch.setattr(store, "pipeline", counting)
    seen = await look(store, KEYS)

    assert [state.stream.event_type for state in seen.states] == names
    assert trips < 40
