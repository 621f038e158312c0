"""How many events a group is about to be given, whatever the server counts by itself."""

import pytest
from redis.asyncio import Redis

from consumers import unread
from consumers.unread import count_unread
from tests.consumers.making import GROUP, append_events, make_stream, numbered, read_as, us

pytestmark = pytest.mark.redis

KEY = make_stream().key


async def group_at(store: Redis, entry_id: str) -> None:
    """Make the group anew, so that it begins behind an entry."""
    await store.xgroup_destroy(KEY, GROUP)
    await store.xgroup_create(KEY, GROUP, id=entry_id)


async def test_the_count_is_of_what_the_group_has_yet_to_read(store: Redis) -> None:
    """From the first, from the middle, where the server does not know it, and from the end."""
    entry_ids = await append_events(store, numbered(10))
    counted = []
    for begins in ("0", entry_ids[2], entry_ids[8], "$"):
        await group_at(store, begins)
        counted.append(await count_unread(us(store), KEY))

    assert counted == [(10, True), (7, True), (1, True), (0, True)]


async def test_what_others_of_the_group_have_read_is_left_out(store: Redis) -> None:
    """Pending entries are theirs."""
    await append_events(store, numbered(3))
    await read_as(store, "somebody")
    await append_events(store, ["evt_9"])

    assert await count_unread(us(store), KEY) == (1, True)


@pytest.mark.parametrize(("pages", "page_bytes"), [(4, 1024 * 1024), (12, 1)])
async def test_a_long_backlog_is_counted_in_pages_up_to_a_bound(
    store: Redis, monkeypatch: pytest.MonkeyPatch, pages: int, page_bytes: int
) -> None:
    """Neither many entries nor large ones hold the server up."""
    monkeypatch.setattr(unread, "PAGE", 3)
    monkeypatch.setattr(unread, "PAGE_BYTES", page_bytes)
    monkeypatch.setattr(unread, "PAGES", pages)
    # Behind the second: of a group behind the first the server still knows the number.
    (_, second, *_) = await append_events(store, numbered(12))
    await group_at(store, second)
    exact = await count_unread(us(store), KEY)
    await append_events(store, numbered(10, "more"))
    bounded = await count_unread(us(store), KEY)

    assert exact == (10, True)
    assert bounded == (12, False)


async def test_a_group_that_is_gone_has_nothing_to_read(store: Redis) -> None:
    """Nor has one on a stream that is gone: joining goes on."""
    before = await count_unread(us(store), KEY)
    await append_events(store, ["evt_1"])

    assert (before, await count_unread(us(store), KEY)) == ((0, True), (0, True))


async def test_behind_the_last_possible_id_nothing_is_counted(store: Redis) -> None:
    """A server refuses to look there, and joining the stream and its neighbours would end."""
    last = f"{2**64 - 1}-{2**64 - 1}"
    (first,) = await append_events(store, ["evt_1"])
    await store.xadd(KEY, {"n": "1"}, id=f"{2**64 - 1}-{2**64 - 2}")
    await store.xadd(KEY, {"n": "2"}, id=last)
    counted = []
    for begins in (first, f"{2**64 - 1}-{2**64 - 2}", last):
        await group_at(store, begins)
        counted.append(await count_unread(us(store), KEY))

    assert counted == [(2, True), (1, True), (0, True)]
