"""What waits long comes back when it is due, into a stream of its group's own."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.entry import read_history
from consumers.waiting import again
from relay.contract.connect import text_of
from relay.contract.duties import Duties
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    full,
    histories,
    numbered,
    pending,
    read_as,
)
from tests.consumers.metrics.counting import samples
from tests.consumers.waiting_long import (
    HISTORY,
    given_again,
    held,
    long_due,
    make_again,
    make_due,
    put_off_for_days,
    returns_for,
    waiting_long,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

AGAIN = make_again()


async def put_off(store: Redis, *event_ids: str, event_type: str = TYPE, tag: str = TAG) -> None:
    """Have events wait long, and make them due."""
    for entry in await held(store, *event_ids, event_type=event_type, tag=tag):
        await put_off_for_days(store, entry)
    await make_due(store, tag)


async def ids_again(store: Redis, stream: Stream | None = None) -> list[str]:
    """Name the events that are given again."""
    return [fields[b"id"].decode() for fields in (await given_again(store, stream)).values()]


async def news(store: Redis) -> list[dict[bytes, bytes]]:
    """Give what was told on the control stream."""
    found: Any = await store.xrange(KEYS.control)
    return [fields for _, fields in found if fields[b"what"] == b"again"]


# --- bringing back


async def test_what_comes_back_is_counted(store: Redis) -> None:
    """By the endpoint, whatever its type."""
    await put_off(store, "evt_1", "evt_2")
    await put_off(store, "evt_3", event_type="message.read")
    returns = returns_for(store)
    await returns.look()

    assert samples(returns._us.record.tally(GROUP)) == {
        'given_again_total{endpoint="unipile"}': 3.0
    }


async def test_what_is_due_is_given_to_its_group_again(store: Redis) -> None:
    """With all that it held, where it stood at first, and its history; nothing is left behind."""
    (entry,) = await held(store, "evt_1")
    await put_off_for_days(store, entry)
    await make_due(store)
    await returns_for(store).look()
    ((again_id, fields),) = (await given_again(store)).items()
    ((name, history),) = (await histories(store)).items()

    assert fields == dict(entry.fields) | {b"entryid": entry.entry_id.encode()}
    assert name.endswith(f"|@again:{TYPE}")
    assert again_id.split("-")[0] in name
    assert read_history(history) == HISTORY
    assert await read_as(store, "us", AGAIN) == [again_id]
    assert (await waiting_long(store), await long_due(store)) == ([], {})
    assert await news(store) == [
        {b"what": b"again", b"tag": b"unipile", b"type": TYPE.encode(), b"group": GROUP.encode()}
    ]


async def test_what_is_not_due_stays(store: Redis) -> None:
    """Its time is told by the store's clock."""
    (entry,) = await held(store, "evt_1")
    await put_off_for_days(store, entry)
    await returns_for(store).look()

    assert len(await waiting_long(store)) == len(await long_due(store)) == 1
    assert not await store.exists(AGAIN.key)


async def test_readers_are_told_once_of_a_stream(store: Redis) -> None:
    """Those that read it are woken by its entries."""
    for event_id in numbered(3):
        await put_off(store, event_id)
        await returns_for(store).look()

    assert await ids_again(store) == numbered(3)
    assert len(await news(store)) == 1


async def test_everything_that_is_due_comes_back(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all pages and calls, of each type into its own stream, in order."""
    monkeypatch.setattr(again, "PAGE", 10)
    monkeypatch.setattr(again, "BYTES_PER_CALL", 1000)
    await put_off(store, *numbered(25, "a"), event_type="a")
    await put_off(store, *numbered(25, "b"), event_type="b")
    await put_off(store, *numbered(5, "c"), event_type="a", tag="unipile#1")
    await returns_for(store, tags=(TAG, "unipile#1")).look()

    assert await ids_again(store, make_again("a")) == numbered(25, "a")
    assert await ids_again(store, make_again("b")) == numbered(25, "b")
    assert await ids_again(store, make_again("a", "unipile#1")) == numbered(5, "c")
    assert await waiting_long(store) == []


async def test_a_large_body_ends_a_call(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call must not keep the server busy with megabytes."""
    monkeypatch.setattr(again, "BYTES_PER_CALL", 1)
    await put_off(store, *numbered(3))
    await store.config_resetstat()
    await returns_for(store).look()
    stats = await store.info("commandstats")

    assert await ids_again(store) == numbered(3)
    # Each call begins with one.
    assert stats["cmdstat_xtrim"]["calls"] == 3


async def test_a_call_whose_reply_was_lost_may_be_sent_again(store: Redis) -> None:
    """What it moved is not moved once more; a due time without an entry goes."""
    await put_off(store, "evt_1")
    due = await long_due(store)
    await returns_for(store).look()
    await store.zadd(KEYS.later_due(TAG, GROUP), dict.fromkeys(due, 1.0))
    await returns_for(store).look()

    assert await ids_again(store) == ["evt_1"]
    assert await long_due(store) == {}


async def test_a_full_server_gives_back(store: Redis) -> None:
    """Also where the stream and its group have yet to be made; readers find it by themselves."""
    await put_off(store, *numbered(2))
    async with full(store):
        await returns_for(store).look()

    assert await ids_again(store) == numbered(2)
    assert len(await read_as(store, "us", AGAIN)) == 2


@pytest.mark.parametrize("broken", [KEYS.later(TAG, GROUP), KEYS.attempts(TAG, GROUP)])
async def test_a_tag_with_broken_books_does_not_hold_up_the_others(
    store: Redis, broken: str
) -> None:
    """It is passed over, said once, and nothing of it is lost."""
    await put_off(store, "evt_1")
    await put_off(store, "evt_2", tag="zzz")
    await store.set(broken, "not a book")
    returns = returns_for(store, tags=(TAG, "zzz"))
    with capture_logs() as logs:
        await returns.look()
        await returns.look()
    await store.delete(broken)

    assert await ids_again(store, make_again(tag="zzz")) == ["evt_2"]
    assert not await store.exists(AGAIN.key)
    assert len(await long_due(store)) == 1
    assert [line["event"] for line in logs].count("skipped") == 1


async def test_a_type_that_cannot_be_given_again_does_not_hold_up_the_others(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page full of its entries is passed over, and they stay."""
    monkeypatch.setattr(again, "PAGE", 10)
    await put_off(store, *numbered(25, "a"), event_type="a")
    await put_off(store, "b_0", event_type="b")
    await store.set(make_again("a").key, "no stream")
    await returns_for(store).look()
    await store.delete(make_again("a").key)

    assert await ids_again(store, make_again("b")) == ["b_0"]
    assert len(await waiting_long(store)) == len(await long_due(store)) == 25


@pytest.mark.parametrize("name", [b"1-0|\xff", b"|" + TYPE.encode(), b"9" * 20 + b"-0|message.new"])
async def test_a_name_that_is_none_goes_and_holds_nothing_up(store: Redis, name: bytes) -> None:
    """Somebody wrote it by hand; asked for over and over it would keep the server busy."""
    (entry,) = await held(store, "evt_1")
    await put_off_for_days(store, entry)
    await make_due(store)
    await store.zadd(KEYS.later_due(TAG, GROUP), {name: 0.0})
    async with asyncio.timeout(5):
        await returns_for(store).look()

    assert len(await given_again(store)) == 1
    assert await store.exists(KEYS.later_due(TAG, GROUP)) == 0


async def test_only_the_own_groups_entries_come_back(store: Redis) -> None:
    """Another group's workers bring theirs."""
    theirs = {"name|x": 1.0}
    await store.zadd(KEYS.later_due(TAG, "billing"), theirs)
    await put_off(store, "evt_1")
    await returns_for(store).look()

    assert await ids_again(store) == ["evt_1"]
    assert await long_due(store, group="billing") == {"name|x": 1}


async def test_one_process_at_a_time_brings_back(store: Redis) -> None:
    """The lease ends by itself, and is given back before that."""
    await put_off(store, "evt_1")
    await store.set(KEYS.lease_later(TAG, GROUP), "other", px=60_000)
    await returns_for(store).look()
    before = await ids_again(store)
    await store.delete(KEYS.lease_later(TAG, GROUP))
    await returns_for(store).look()

    assert (before, await ids_again(store)) == ([], ["evt_1"])
    assert not await store.exists(KEYS.lease_later(TAG, GROUP))


# --- due times that were lost


async def test_a_lost_due_time_is_made_again_from_the_entry(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells its own; one that is not of our form is due at once."""
    monkeypatch.setattr(again, "REMIND_PAGE", 3)
    for entry in await held(store, *numbered(7)):
        await put_off_for_days(store, entry)
    foreign: Any = {"id": "x", "type": "email.new"}
    foreign_id = text_of(await store.xadd(KEYS.later(TAG, GROUP), foreign) or b"")
    before = await long_due(store)
    await store.delete(KEYS.later_due(TAG, GROUP))
    await store.zadd(KEYS.later_due(TAG, GROUP), dict([next(iter(before.items()))]))
    with capture_logs() as logs:
        await returns_for(store).remind(TAG)
    after = await long_due(store)
    (unknown,) = after.keys() - before.keys()

    assert after == before | {unknown: 0}
    assert unknown.endswith("|email.new")
    assert foreign_id.split("-")[0] in unknown
    assert [(line["event"], line["entries"]) for line in logs] == [("due_times_restored", 7)]


async def test_entries_are_not_looked_at_while_none_has_lost_its_due_time(store: Redis) -> None:
    """They hold whole bodies, and there may be many."""
    for entry in await held(store, *numbered(3)):
        await put_off_for_days(store, entry)
    await store.config_resetstat()
    await returns_for(store).remind(TAG)

    assert "cmdstat_xrange" not in await store.info("commandstats")


async def test_a_full_server_takes_due_times(store: Redis) -> None:
    """Else what waits would wait for ever."""
    (entry,) = await held(store, "evt_1")
    await put_off_for_days(store, entry)
    await store.delete(KEYS.later_due(TAG, GROUP))
    async with full(store):
        await returns_for(store).remind(TAG)

    assert len(await long_due(store)) == 1


# --- what was given again and is settled


async def given(store: Redis, count: int) -> list[str]:
    """Have events given again and read, and give their entry ids."""
    await put_off(store, *numbered(count))
    await returns_for(store).look()
    return await read_as(store, "us", AGAIN)


async def test_a_stream_with_nothing_left_in_it_is_removed(store: Redis) -> None:
    """It costs nothing then, and is not read any more."""
    entry_ids = await given(store, 3)
    await store.xack(AGAIN.key, GROUP, *entry_ids)
    returns = returns_for(store, AGAIN)
    await returns.tidy()

    assert not await store.exists(AGAIN.key)
    assert list(returns._routes.streams) == []


@pytest.mark.parametrize("pending_number", [0, 1, 2])
async def test_what_is_settled_goes_up_to_the_oldest_that_is_not(
    store: Redis, pending_number: int
) -> None:
    """Whether it is in hand or parked."""
    entry_ids = await given(store, 3)
    waiting = entry_ids[pending_number]
    await store.xack(AGAIN.key, GROUP, *(one for one in entry_ids if one != waiting))
    returns = returns_for(store, AGAIN)
    await returns.tidy()

    assert list(await given_again(store)) == entry_ids[pending_number:]
    assert await pending(store, AGAIN) == {waiting: "us"}
    assert list(returns._routes.streams) == [AGAIN.key]


@pytest.mark.parametrize("restored", [False, True], ids=["with its group", "group made again"])
async def test_what_is_unread_stays(store: Redis, *, restored: bool) -> None:
    """Nothing is pending, and all the same there is something left to do."""
    entry_ids = await given(store, 2)
    await store.xack(AGAIN.key, GROUP, *entry_ids)
    if restored:
        await store.xgroup_destroy(AGAIN.key, GROUP)
        await store.xgroup_create(AGAIN.key, GROUP, id="0")
    await put_off(store, "evt_new")
    await returns_for(store).look()
    await returns_for(store, AGAIN).tidy()

    assert await ids_again(store) == [*(numbered(2) if restored else []), "evt_new"]


async def test_a_group_that_is_gone_takes_nothing_with_it(store: Redis) -> None:
    """The reader makes it again, and reads from the beginning."""
    await given(store, 2)
    await store.xgroup_destroy(AGAIN.key, GROUP)
    await returns_for(store, AGAIN).tidy()

    assert await ids_again(store) == numbered(2)


async def test_much_is_removed_in_many_steps(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """No single one keeps the server busy."""
    monkeypatch.setattr(again, "TIDY_STEP", 100)
    entry_ids = await given(store, 1)
    pipeline = store.pipeline(transaction=False)
    for _ in range(1000):
        pipeline.xadd(AGAIN.key, {"a": "b"})
    await pipeline.execute()
    entry_ids += await read_as(store, "us", AGAIN)
    await store.xack(AGAIN.key, GROUP, *entry_ids)
    await store.config_resetstat()
    await returns_for(store, AGAIN).tidy()
    stats = await store.info("commandstats")

    assert stats["cmdstat_xtrim"]["calls"] >= 10
    assert not await store.exists(AGAIN.key)


async def test_types_own_streams_are_not_touched(store: Redis) -> None:
    """They are kept for a time, and others read them."""
    (entry,) = await held(store, "evt_1")
    await store.xack(entry.stream.key, GROUP, entry.entry_id)
    await returns_for(store, entry.stream).tidy()

    assert await store.xlen(entry.stream.key) == 1


async def test_all_is_done_by_itself(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """One duty brings back, reminds and tidies."""
    monkeypatch.setattr(again, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(again, "TIDY_SECONDS", 0.02)
    monkeypatch.setattr(again, "REMIND_SECONDS", 0.02)
    await put_off(store, *numbered(2))
    await store.delete(KEYS.later_due(TAG, GROUP))
    duty = returns_for(store, AGAIN)
    duties = Duties()
    duties.start("later", duty.run)

    async def came() -> bool:
        await make_due(store)
        return await store.xlen(AGAIN.key) == 2

    await wait_until(came, description="both are given again")
    await store.xack(AGAIN.key, GROUP, *await read_as(store, "us", AGAIN))

    async def gone() -> bool:
        return not await store.exists(AGAIN.key)

    await wait_until(gone, description="the stream is removed")
    await duties.stop()

    assert await waiting_long(store) == []
