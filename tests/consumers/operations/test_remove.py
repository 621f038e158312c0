"""Removing a group leaves nothing of it, in small steps, and can be broken off."""

from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.operations.groups import let_go
from consumers.operations.groups.pause import pause
from consumers.operations.groups.remove import Removal, plan_removal, remove
from consumers.operations.progress import Progress
from relay.contract.connect import ResponseError
from relay.contract.patterns import parse_pattern
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    append_events,
    full,
    make_stream,
    numbered,
    read_as,
)
from tests.consumers.waiting_long import held, make_again, make_due, put_off_for_days, returns_for

pytestmark = pytest.mark.redis

STREAM = make_stream()


async def planned(store: Redis, **options: Any) -> Removal:
    """Plan the removal of the tests' group."""
    return await plan_removal(store, KEYS, GROUP, **options)


async def keys_of_group(store: Redis) -> list[str]:
    """Give every key that has the group's name in it."""
    return sorted([key.decode() async for key in store.scan_iter(match=f"*{GROUP}*")])


async def fill_books(store: Redis) -> None:
    """Have an entry in every book that the group can have."""
    place = (TAG, GROUP)
    type_ = STREAM.event_type
    for book in (KEYS.park, KEYS.later_due):
        await store.zadd(book(*place), {"a": 1})
    await store.zadd(KEYS.lane(*place, type_), {"a": 1})
    for hashed in (KEYS.attempts(*place), KEYS.strikes(*place), KEYS.owner(*place, type_)):
        await store.hset(hashed, "a", "1")
    for lease in (KEYS.lease_sweep, KEYS.lease_park, KEYS.lease_later):
        await store.set(lease(*place), "us", px=60_000)


async def test_nothing_of_a_group_is_left(store: Redis) -> None:
    """Whatever it had, in hand, waiting, given again, or paused."""
    for entry in await held(store, "evt_1", "evt_2"):
        await put_off_for_days(store, entry)
    await make_due(store)
    await returns_for(store).look()
    for entry in await held(store, "evt_3"):
        await put_off_for_days(store, entry)
    await append_events(store, numbered(600, "more"))
    await read_as(store, "gone")
    await fill_books(store)
    await pause(store, KEYS, GROUP)
    told: list[Progress] = []
    await remove(store, KEYS, await planned(store), report=told.append)

    assert await keys_of_group(store) == []
    assert await store.xinfo_groups(STREAM.key) == []
    assert await store.exists(KEYS.paused) == 0
    assert await store.xlen(STREAM.key) == 603
    assert told[-1] == Progress(seen=600, done=600, total=600)


async def test_what_is_given_again_counts_among_its_streams(store: Redis) -> None:
    """It is the group's own, so it goes as a whole."""
    for entry in await held(store, "evt_1"):
        await put_off_for_days(store, entry)
    await make_due(store)
    await returns_for(store).look()
    removal = await planned(store)

    assert {state.stream.key for state in removal.states} == {STREAM.key, make_again().key}
    assert make_again().key in removal.books


async def test_a_removal_that_was_broken_off_is_finished_by_another(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stopped: it is broken off before each of its steps in turn."""
    monkeypatch.setattr(let_go, "PAGE", 1000)
    await append_events(store, numbered(5000))
    await read_as(store, "gone")
    await fill_books(store)
    broken_off = 0
    while not (removal := await planned(store)).is_empty:
        steps = 1

        def stop(_: Progress) -> None:
            nonlocal steps
            steps -= 1
            if steps < 0:
                raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "unlink", _once_only(store))
            try:
                await remove(store, KEYS, removal, report=stop)
            except KeyboardInterrupt:
                broken_off += 1

    assert broken_off > 3
    assert await keys_of_group(store) == []
    assert await store.xinfo_groups(STREAM.key) == []


def _once_only(store: Redis) -> Any:
    """Have the second key that is unlinked find the operator gone."""
    unlink, calls = store.unlink, 0

    async def unlinked(key: str) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return await unlink(key)

    return unlinked


async def _calls(store: Redis, removal: Removal) -> tuple[int, int, int]:
    """Remove a group, and count what was asked for: pending entries, acknowledging, destroying."""
    await store.config_resetstat()
    await remove(store, KEYS, removal)
    stats: Any = await store.info("commandstats")
    # Servers before 7.0 do not tell the sub-commands apart.
    destroyed = stats.get("cmdstat_xgroup|destroy") or stats["cmdstat_xgroup"]
    pending, settled = stats["cmdstat_xpending"], stats["cmdstat_xack"]
    return pending["calls"], settled["calls"], destroyed["calls"]


async def test_pending_entries_go_by_pages(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group is destroyed only when nothing is pending in it any more."""
    monkeypatch.setattr(let_go, "PAGE", 100)
    await append_events(store, numbered(600))
    await read_as(store, "gone")

    assert await _calls(store, await planned(store)) == (7 + 1, 6 + 1, 1)
    assert await store.xinfo_groups(STREAM.key) == []


async def test_what_is_given_to_somebody_meanwhile_goes_by_pages_too(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step that takes the group away looks once more."""

    async def none_pending(*_: Any) -> list[bytes]:
        return []

    monkeypatch.setattr(let_go, "_pending_from", none_pending)
    await append_events(store, numbered(600))
    await read_as(store, "gone")

    assert await _calls(store, await planned(store)) == (3 + 1, 3 + 1, 1)
    assert await store.xinfo_groups(STREAM.key) == []


async def test_a_group_that_somebody_else_removes_meanwhile_is_no_fault(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two may have begun to remove it."""
    monkeypatch.setattr(let_go, "PAGE", 100)
    await append_events(store, numbered(600))
    await read_as(store, "gone")
    removal = await planned(store)
    await store.xgroup_destroy(STREAM.key, GROUP)

    assert (await remove(store, KEYS, removal)).done == 0


async def test_a_page_that_cannot_be_let_go_is_said(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes while another is read, and is not forgotten for that."""
    await append_events(store, numbered(600))
    ids = [entry_id.encode() for entry_id in await read_as(store, "gone")]
    removal, pages = await planned(store), [ids, []]

    async def then_spoiled(*_: Any) -> list[bytes]:
        await store.set(STREAM.key, "mine", px=60_000)
        return pages.pop(0)

    monkeypatch.setattr(let_go, "_pending_from", then_spoiled)

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await remove(store, KEYS, removal)


async def test_only_one_endpoints_part_is_removed(store: Redis) -> None:
    """What is paused for all of them stays."""
    await append_events(store, ["evt_1"])
    await append_events(store, ["evt_2"], tag="github#1")
    github = make_stream(tag="github#1")
    for stream in (STREAM, github):
        await read_as(store, "gone", stream)
    await pause(store, KEYS, GROUP)
    await pause(store, KEYS, GROUP, parse_pattern("github:*"))
    await remove(store, KEYS, await planned(store, endpoint="github"))

    assert await store.xinfo_groups(github.key) == []
    assert len(await store.xinfo_groups(STREAM.key)) == 1
    assert await store.hkeys(KEYS.paused) == [f"{GROUP} *:*".encode()]


async def test_a_full_server_lets_a_group_go_and_be_paused(store: Redis) -> None:
    """Both are what an operator does about it."""
    await append_events(store, numbered(3))
    await read_as(store, "gone")
    async with full(store):
        paused = await pause(store, KEYS, GROUP)
        assert await store.hexists(KEYS.paused, paused.pause.field)
        await remove(store, KEYS, await planned(store))

    assert await store.xinfo_groups(STREAM.key) == []


async def test_a_spoiled_book_of_pauses_is_refused_and_kept(store: Redis) -> None:
    """It is somebody's, and not ours to overwrite."""
    await store.set(KEYS.paused, "something else", px=60_000)

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await pause(store, KEYS, GROUP)
