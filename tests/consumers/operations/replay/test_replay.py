"""A replay: which entries are copied, to whom, and what a copy is like."""

import pytest
from redis.asyncio import Redis

from consumers.operations.replay import ReplayRefused, Wanted, continue_replay, plan_replay
from consumers.operations.replay.book import KEEP_MS
from consumers.operations.replay.wanted import parts_of
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    make_stream,
    numbered,
    pending,
)
from tests.consumers.operations.replay.making import (
    AGAIN,
    begun,
    copied,
    copies,
    handled,
    of_account,
    planned,
    replayed,
    stored,
    stored_event,
)

pytestmark = pytest.mark.redis


async def test_a_copy_is_its_entry_and_says_where_that_stands(store: Redis) -> None:
    """Whoever handles it finds all fields as they came."""
    (entry_id,) = await stored(store, ["evt_1"])
    (original,) = await copies(store, make_stream().key)

    result = await replayed(store)

    assert await copies(store) == [original | {b"entryid": entry_id.encode()}]
    assert (result.copied, result.large, result.gone, result.faults) == (1, 0, 0, ())


async def test_only_the_group_that_was_named_is_given_copies(store: Redis) -> None:
    """The streams and the groups of others stay as they are."""
    await stored(store, numbered(3))
    await handled(store, group="billing")
    before = await store.xinfo_stream(make_stream().key)

    await replayed(store)

    assert await copied(store) == numbered(3)
    assert await store.exists(KEYS.again(TAG, "billing", TYPE)) == 0
    assert await store.xinfo_stream(make_stream().key) == before
    (group,) = await store.xinfo_groups(AGAIN)
    assert group["name"] == GROUP.encode()


async def test_a_replay_has_many_pages_and_copies_each_entry_once(store: Redis) -> None:
    """Several streams take turns."""
    await stored(store, numbered(300, "a"), "message.new")
    await stored(store, numbered(200, "b"), "email.new")

    result = await replayed(store)

    assert await copied(store) == numbered(300, "a")
    assert await copied(store, KEYS.again(TAG, GROUP, "email.new")) == numbered(200, "b")
    assert result.copied == 500


async def test_what_arrives_after_the_beginning_is_not_copied(store: Redis) -> None:
    """The range is fixed when it is planned, however long the copying takes."""
    await stored(store, ["early"])
    name = await begun(store)
    await stored(store, ["late"])

    await continue_replay(store, KEYS, name)

    assert await copied(store) == ["early"]


async def test_what_the_group_has_yet_to_read_is_not_copied(store: Redis) -> None:
    """It comes by itself, and would come twice."""
    await stored(store, ["read"])
    await append_events(store, ["unread"])

    plan = await planned(store)
    await replayed(store)

    assert await copied(store) == ["read"]
    assert [each.unread for each in plan.streams] == [True]


async def test_a_range_by_entry_ids_holds_both_its_ends(store: Redis) -> None:
    """As the times that stand for ids do."""
    ids = await stored(store, numbered(5))

    await replayed(store, since=ids[1], until=ids[3])

    assert await copied(store) == numbered(5)[1:4]


async def test_an_account_leaves_the_others_out(store: Redis) -> None:
    """An entry without one is left out too."""
    await stored_event(store, of_account("evt_1", "acc_1"))
    await stored_event(store, of_account("evt_2", "acc_2"))
    await stored(store, ["evt_3"])

    await replayed(store, account="acc_2")

    assert await copied(store) == ["evt_2"]


async def test_single_events_are_meant_by_either_id(store: Redis) -> None:
    """By the entry's or by the sender's."""
    ids = await stored(store, numbered(200))

    result = await replayed(store, ids=("evt_7", ids[150], "evt_none"))

    assert await copied(store) == ["evt_7", "evt_150"]
    assert result.copied == 2


async def test_patterns_and_endpoint_choose_the_streams(store: Redis) -> None:
    """As they choose handlers."""
    await stored(store, ["evt_1"], "message.new")
    await stored(store, ["evt_2"], "email.new")
    await stored(store, ["evt_3"], "message.new", "github")

    await replayed(store, patterns=("*:message.*",), endpoint="github")

    assert await store.exists(AGAIN, KEYS.again(TAG, GROUP, "email.new")) == 0
    assert await copied(store, KEYS.again("github", GROUP, "message.new")) == ["evt_3"]


async def test_a_limit_ends_a_replay(store: Redis) -> None:
    """Also over several pages and streams, and where it is gone on with."""
    await stored(store, numbered(200, "a"), "message.new")
    await stored(store, numbered(200, "b"), "email.new")

    first = await replayed(store, limit=150)
    second = await continue_replay(store, KEYS, first.name)

    both = await store.xlen(AGAIN) + await store.xlen(KEYS.again(TAG, GROUP, "email.new"))
    assert (first.copied, second.copied, both) == (150, 150, 150)


async def test_a_copy_is_no_duplicate_for_the_gateway(store: Redis) -> None:
    """The dedupe index is neither asked nor told: the sender's repeat is still known."""
    ids = await stored(store, ["evt_1"])
    await replayed(store)

    assert await append_events(store, ["evt_1"]) == ids
    assert await store.xlen(make_stream().key) == 1


async def test_a_replay_without_a_group_there_is_refused(store: Redis) -> None:
    """Nobody would ever read the copies, and nothing would remove them."""
    await stored(store, ["evt_1"])

    plan = await planned(store, group="nobody")

    assert (plan.streams, plan.others, plan.groups) == ((), 1, (GROUP,))
    with pytest.raises(ReplayRefused):
        await begun(store, group="nobody")
    assert await store.exists(KEYS.again(TAG, "nobody", TYPE)) == 0


@pytest.mark.parametrize(
    "wanted", [Wanted(group="No Name"), Wanted(group=GROUP, patterns=("message.new",))]
)
async def test_what_cannot_be_meant_is_refused(store: Redis, wanted: Wanted) -> None:
    """A group that cannot be, a pattern without an endpoint."""
    with pytest.raises(ReplayRefused):
        await plan_replay(store, KEYS, wanted)


async def test_an_entry_with_thousands_of_fields_is_left_out_and_counted(store: Redis) -> None:
    """A script cannot write it; the others are copied."""
    await stored(store, ["evt_1"])
    large = {f"f{number}": "x" for number in range(5000)}
    await store.xadd(make_stream().key, large)  # type: ignore[arg-type]
    await stored(store, ["evt_2"])

    result = await replayed(store)

    assert await copied(store) == ["evt_1", "evt_2"]
    assert (result.copied, result.large, result.gone) == (2, 1, 0)


async def test_a_key_of_a_wrong_type_is_named_and_the_rest_goes_on(store: Redis) -> None:
    """Somebody else's key where copies should go."""
    await stored(store, ["evt_1"], "message.new")
    await stored(store, ["evt_2"], "email.new")
    await store.set(AGAIN, "mine", px=60_000)

    result = await replayed(store)

    assert await copied(store, KEYS.again(TAG, GROUP, "email.new")) == ["evt_2"]
    assert [key for key, _ in result.faults] == [make_stream().key]


async def test_the_book_of_a_replay_expires(store: Redis) -> None:
    """A week after somebody went on with it."""
    await stored(store, ["evt_1"])
    name = await begun(store)
    book = KEYS.replay(TAG, *parts_of(name))
    await store.pexpire(book, 10_000)

    await continue_replay(store, KEYS, name)

    assert KEEP_MS - 60_000 < await store.pttl(book) <= KEEP_MS


async def test_copies_are_read_and_settled_like_any_entry_of_the_group(store: Redis) -> None:
    """They begin unread, under nobody."""
    await stored(store, numbered(2))
    await replayed(store)

    assert await pending(store) == {}
    (group,) = await store.xinfo_groups(AGAIN)
    assert (group["pending"], group["last-delivered-id"]) == (0, b"0-0")
