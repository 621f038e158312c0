"""Parked entries that lost their due time get one."""

import asyncio

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.dispatch import Routes
from consumers.order.lanes import make_room
from consumers.rooms import House
from consumers.waiting import restore as module
from consumers.waiting.restore import Restorer
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    due_times,
    full,
    in_books,
    make_handler,
    make_stream,
    now_ms,
    pending,
    read_as,
    us,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

LEASE = KEYS.lease_park(TAG, GROUP)


def restorer(store: Redis, *types: str) -> Restorer:
    """Make one for a process that reads some types."""
    routes = Routes(House([make_handler(pattern="unipile:*")]).rooms)
    for name in types or (TYPE,):
        routes.add(make_stream(name))
    return Restorer(us(store), routes=routes)


async def parked(store: Redis, count: int = 1, *, event_type: str = TYPE) -> list[str]:
    """Append events and park them, without due times."""
    stream = make_stream(event_type)
    await append_events(store, [f"evt_{event_type}_{n}" for n in range(count)], event_type)
    entry_ids = await read_as(store, "before", stream)
    await store.xclaim(stream.key, GROUP, "@park", 0, [*entry_ids], justid=True)
    return entry_ids


async def test_an_entry_without_a_due_time_is_due_now(store: Redis) -> None:
    """The sorted set was deleted, or a write was torn."""
    (entry_id,) = await parked(store)
    before = await now_ms(store)
    with capture_logs() as logs:
        await restorer(store).restore()
    due = await due_times(store)

    assert list(due) == [in_books(entry_id)]
    assert before <= due[in_books(entry_id)] <= await now_ms(store)
    assert await pending(store) == {entry_id: "@park"}
    assert [(line["event"], line["entries"]) for line in logs] == [("due_times_restored", 1)]


async def test_an_entry_that_has_a_due_time_keeps_it(store: Redis) -> None:
    """Its backoff must not be cut short, and nothing is said."""
    (entry_id,) = await parked(store)
    await store.zadd(KEYS.park(TAG, GROUP), {in_books(entry_id): 9e12})
    with capture_logs() as logs:
        await restorer(store).restore()

    assert await due_times(store) == {in_books(entry_id): 9 * 10**12}
    assert logs == []


async def test_only_what_is_parked_gets_a_due_time(store: Redis) -> None:
    """Not what a consumer holds, nor what waits in a lane behind another."""
    entry_ids = await parked(store, 3)
    for entry_id, owner in zip(entry_ids, ("live", "@lane"), strict=False):
        await store.xclaim(make_stream().key, GROUP, owner, 0, [entry_id])
    # Its handler, which may ask for order, is another process's.
    await restorer(store, "email.new").restore()

    assert list(await due_times(store)) == [in_books(entry_ids[2])]


async def test_it_goes_through_all_pages(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a step of its own, so that none keeps the server busy."""
    monkeypatch.setattr(module, "PAGE", 10)
    entry_ids = await parked(store, 35)
    await restorer(store).restore()

    assert set(await due_times(store)) == {in_books(entry_id) for entry_id in entry_ids}


async def test_types_that_this_process_does_not_handle_are_looked_after_too(store: Redis) -> None:
    """Those who handle them may never get the lease."""
    (entry_id,) = await parked(store, event_type="email.new")
    await restorer(store).restore()

    assert list(await due_times(store)) == [in_books(entry_id, "email.new")]


async def test_equal_entry_ids_of_many_types_stay_apart(store: Redis) -> None:
    """One script call gives entries of several types the same id."""
    for name in ("a", "b"):
        stream = make_stream(name)
        await store.xadd(stream.key, {"of": name}, id="7-1")
        await store.xgroup_create(stream.key, GROUP, id="0")
        await read_as(store, "@park", stream)
    await store.zadd(KEYS.park(TAG, GROUP), {in_books("7-1", "a"): 5.0})
    await restorer(store, "a", "b").restore()
    due = await due_times(store)

    assert due[in_books("7-1", "a")] == 5
    assert due[in_books("7-1", "b")] > 5


async def test_it_is_done_once_a_minute_by_one_process(store: Redis) -> None:
    """The lease is kept, and ends by itself."""
    await parked(store)
    await restorer(store).restore()
    left_ms = await store.pttl(LEASE)
    await store.delete(KEYS.park(TAG, GROUP))
    await restorer(store).restore()

    assert 0 < left_ms <= 60_000
    assert await due_times(store) == {}
    await store.delete(LEASE)
    await restorer(store).restore()
    assert len(await due_times(store)) == 1


async def test_a_full_server_lets_due_times_be_restored(store: Redis) -> None:
    """Retries are what empties it."""
    (entry_id,) = await parked(store)
    async with full(store):
        await restorer(store).restore()

    assert list(await due_times(store)) == [in_books(entry_id)]


async def test_a_book_of_a_wrong_type_is_said_once(store: Redis) -> None:
    """The other tags are looked after all the same."""
    await parked(store)
    await store.set(KEYS.park(TAG, GROUP), "x", px=60_000)
    duty = restorer(store)
    with capture_logs() as logs:
        for _ in range(2):
            await duty.restore()
            await store.delete(LEASE)

    assert [(line["event"], line["error"]) for line in logs] == [("skipped", "WRONGTYPE")]


async def test_a_stream_without_the_group_is_passed_over(store: Redis) -> None:
    """Nothing of it can be parked."""
    await append_events(store, ["evt_1"])
    await restorer(store, TYPE, "gone").restore()

    assert await due_times(store) == {}


async def test_it_runs_by_itself(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a duty of the worker."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    await parked(store)
    running = asyncio.create_task(restorer(store).run())

    async def restored() -> bool:
        return bool(await due_times(store))

    await wait_until(restored, description="it has a due time")
    running.cancel()


async def laned(store: Redis, count: int) -> list[str]:
    """Append events and put them into a lane, as an owner does."""
    entry_ids = await read_as(store, "before", make_stream())
    entry_ids += await parked(store, count)
    await store.xclaim(make_stream().key, GROUP, "@lane", 0, [*entry_ids], justid=True)
    members = {f"a|{in_books(one).partition('|')[0]}": 0 for one in entry_ids}
    await store.zadd(KEYS.lane(TAG, GROUP, TYPE), members)
    return entry_ids


async def test_what_waits_in_lanes_of_a_stream_without_order_waits_like_a_retry(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler asked for order before; on a full server too, and page by page."""
    monkeypatch.setattr(module, "PAGE", 2)
    await append_events(store, ["evt_0"])
    await store.xgroup_create(make_stream().key, GROUP, id="0")
    entry_ids = await laned(store, 5)
    async with full(store):
        await restorer(store).restore()

    assert await pending(store) == dict.fromkeys(entry_ids, "@park")
    assert set(await due_times(store)) == {in_books(one) for one in entry_ids}
    assert await store.exists(KEYS.lane(TAG, GROUP, TYPE)) == 0


async def test_lanes_are_left_to_a_process_that_owns_the_stream(store: Redis) -> None:
    """In a rolling deploy some processes still ask for order."""
    await append_events(store, ["evt_0"])
    await store.xgroup_create(make_stream().key, GROUP, id="0")
    entry_ids = await laned(store, 2)
    until = await now_ms(store) + 60_000
    await store.hset(KEYS.owner(TAG, GROUP, TYPE), mapping={"consumer": "old", "until": until})
    await restorer(store).restore()
    before = await pending(store)
    await store.delete(LEASE)
    await store.hset(KEYS.owner(TAG, GROUP, TYPE), "until", str(until - 120_000))
    await restorer(store).restore()

    assert before == dict.fromkeys(entry_ids, "@lane")
    assert await pending(store) == dict.fromkeys(entry_ids, "@park")
    assert await store.delete(KEYS.owner(TAG, GROUP, TYPE)) == 1


async def test_lanes_of_an_ordered_stream_stay(store: Redis) -> None:
    """They are its owner's, also while there is none."""
    await append_events(store, ["evt_0"])
    await store.xgroup_create(make_stream().key, GROUP, id="0")
    entry_ids = await laned(store, 2)
    routes = Routes(House([make_handler(pattern="unipile:*", order_by="account")], make_room).rooms)
    routes.add(make_stream())
    await Restorer(us(store), routes=routes).restore()

    assert await pending(store) == dict.fromkeys(entry_ids, "@lane")
    assert await store.delete(KEYS.lane(TAG, GROUP, TYPE)) == 1
