"""Entries that wait long leave their stream, in one step."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.entry import HeldEntry, read_history
from consumers.waiting.later import put_off
from relay.contract.connect import ResponseError, text_of
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    full,
    histories,
    in_books,
    make_entry,
    make_stream,
    now_ms,
    pending,
    read_as,
    us,
)
from tests.consumers.waiting_long import (
    HISTORY,
    THREE_DAYS,
    held,
    long_due,
    make_again,
    put_off_for_days,
    waiting_long,
)

pytestmark = pytest.mark.redis

STREAM = make_stream()


async def test_what_waits_long_is_out_of_its_stream(store: Redis) -> None:
    """Nothing of it is pending there; its fields, due time and history are kept elsewhere."""
    (entry,) = await held(store, "evt_1")
    earliest = await now_ms(store) + int(1000 * THREE_DAYS)
    answer = await put_off_for_days(store, entry)
    latest = await now_ms(store) + int(1000 * THREE_DAYS)
    ((later_id, fields),) = await waiting_long(store)
    due = await long_due(store)

    assert answer == "moved"
    assert await pending(store) == {}
    assert list(due) == [in_books(later_id)]
    assert earliest <= due[in_books(later_id)] <= latest
    assert entry.fields.items() <= fields.items()
    assert (fields[b"entryid"].decode(), fields[b"@type"].decode()) == (entry.entry_id, TYPE)
    assert int(fields[b"@due"]) == due[in_books(later_id)]
    assert read_history(fields[b"@history"]) == HISTORY


async def test_the_books_keep_nothing_of_what_is_put_off(store: Redis) -> None:
    """Its name there changes, since it is another entry when it comes back."""
    (entry,) = await held(store, "evt_1")
    for book in (KEYS.attempts(TAG, GROUP), KEYS.strikes(TAG, GROUP)):
        await store.hset(book, mapping={entry.member: "{}", in_books("1-0"): "{}"})
    await put_off_for_days(store, entry)

    assert await store.hkeys(KEYS.attempts(TAG, GROUP)) == [in_books("1-0").encode()]
    assert await store.hkeys(KEYS.strikes(TAG, GROUP)) == [in_books("1-0").encode()]


async def taken_over(store: Redis, entry: HeldEntry) -> None:
    """Another worker has it in hand."""
    await store.xclaim(STREAM.key, GROUP, "other", 0, [entry.entry_id])


async def settled(store: Redis, entry: HeldEntry) -> None:
    """Another worker has handled it."""
    await store.xack(STREAM.key, GROUP, entry.entry_id)


async def put_off_before(store: Redis, entry: HeldEntry) -> None:
    """We did so, and the reply was lost."""
    await put_off_for_days(store, entry)


async def group_gone(store: Redis, entry: HeldEntry) -> None:
    """Somebody removed the group."""
    await store.xgroup_destroy(STREAM.key, GROUP)
    await store.xgroup_create(STREAM.key, GROUP, id=entry.entry_id)


@pytest.mark.parametrize("event", [taken_over, settled, put_off_before, group_gone])
async def test_what_is_not_ours_any_more_is_left_as_it_is(
    store: Redis, event: Callable[[Redis, HeldEntry], Awaitable[None]]
) -> None:
    """What became of the entry meanwhile counts, also where it was our own doing."""
    (entry,) = await held(store, "evt_1")
    await event(store, entry)
    before = (await pending(store), await waiting_long(store), await long_due(store))
    answer = await put_off_for_days(store, entry)

    assert answer == "late"
    assert (await pending(store), await waiting_long(store), await long_due(store)) == before


async def test_what_was_deleted_is_settled(store: Redis) -> None:
    """There is nothing to wait for, and its id would stay pending for ever."""
    (entry,) = await held(store, "evt_1")
    await store.hset(KEYS.attempts(TAG, GROUP), entry.member, "{}")
    await store.xdel(STREAM.key, entry.entry_id)
    answer = await put_off_for_days(store, entry)

    assert answer == "gone"
    assert (await pending(store), await waiting_long(store), await histories(store)) == ({}, [], {})


@pytest.mark.parametrize(("pairs", "answer"), [(3900, "moved"), (4100, "large")])
async def test_what_no_script_could_write_stays_where_it_is(
    store: Redis, pairs: int, answer: str
) -> None:
    """A foreign entry may have any number of fields."""
    await append_events(store, ["evt_1"])
    many: Any = {f"field{number}": "x" for number in range(pairs)}
    entry_id = text_of(await store.xadd(STREAM.key, many) or b"")
    await read_as(store, "us")

    assert await put_off(us(store), make_entry(entry_id), 60, HISTORY) == answer
    assert (entry_id in await pending(store)) is (answer == "large")


@pytest.mark.parametrize(
    "broken",
    [
        KEYS.later(TAG, GROUP),
        KEYS.later_due(TAG, GROUP),
        KEYS.attempts(TAG, GROUP),
        KEYS.strikes(TAG, GROUP),
    ],
)
async def test_a_wrong_type_is_found_before_anything_is_written(store: Redis, broken: str) -> None:
    """The entry stays ours and pending."""
    (entry,) = await held(store, "evt_1")
    await store.set(broken, "not a book")
    with pytest.raises(ResponseError, match=f"WRONGTYPE.*{broken}"):
        await put_off_for_days(store, entry)
    await store.delete(broken)

    assert await pending(store) == {entry.entry_id: "us"}
    assert (await waiting_long(store), await long_due(store)) == ([], {})


async def test_a_full_server_takes_it(store: Redis) -> None:
    """The script's first write is one that is never refused, and then the rest passes."""
    (entry,) = await held(store, "evt_1")
    async with full(store):
        answer = await put_off_for_days(store, entry)

    assert answer == "moved"
    assert len(await waiting_long(store)) == len(await long_due(store)) == 1


async def test_what_is_put_off_again_still_tells_where_it_stood_first(store: Redis) -> None:
    """It is a copy of a copy by then."""
    stream = make_again()
    fields: Any = {**make_entry().fields, b"entryid": b"7-1"}
    await store.xadd(stream.key, fields)
    (entry_id,) = await read_as(store, "us", stream)
    entry = make_entry(entry_id, stream=stream, fields=dict(fields))
    answer = await put_off_for_days(store, entry)
    ((later_id, kept),) = await waiting_long(store)
    flat: Any = await store.eval(
        "return redis.call('XRANGE', KEYS[1], '-', '+')[1][2]", 1, KEYS.later(TAG, GROUP)
    )

    assert answer == "moved"
    assert kept[b"entryid"] == b"7-1"
    assert flat[::2].count(b"entryid") == 1
    assert list(await long_due(store)) == [in_books(later_id)]


async def test_another_groups_books_stay_as_they_are(store: Redis) -> None:
    """Only the group whose handler asked for it waits."""
    (entry,) = await held(store, "evt_1")
    theirs = await read_as(store, "theirs", group="billing")
    await put_off_for_days(store, entry)

    assert await pending(store, group="billing") == dict.fromkeys(theirs, "theirs")
    assert await waiting_long(store, group="billing") == []
