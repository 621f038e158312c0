"""Groups of the configuration are created, marked, and let go when no configuration lists them."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.contract.connect import ResponseError
from relay.contract.keys import Keys
from relay.contract.patterns import parse_pattern
from relay.hold import RELEASE_SECONDS, Holder, meant
from tests.consumers.making import full

pytestmark = pytest.mark.redis

KEYS = Keys()
TAG, TYPE = "github#0", "push"
STREAM = KEYS.stream(TAG, TYPE)


def holder(store: Redis, **groups: str) -> Holder:
    """Hold groups, each with one pattern."""
    return Holder(store, KEYS, {name: [parse_pattern(text)] for name, text in groups.items()})


async def marks(store: Redis) -> dict[str, list[tuple[str, int]]]:
    """Give each group's consumers with what is pending under them."""
    groups: Any = await store.xinfo_groups(STREAM)
    names = sorted(group["name"].decode() for group in groups)
    found: dict[str, list[tuple[str, int]]] = {}
    for name in names:
        consumers: Any = await store.xinfo_consumers(STREAM, name)
        found[name] = [(one["name"].decode(), one["pending"]) for one in consumers]
    return found


def test_patterns_say_which_streams_a_group_holds() -> None:
    """A partition is meant by its endpoint's name."""
    groups = {name: [parse_pattern(text)] for name, text in {"a": "*:push", "b": "x:*"}.items()}

    assert list(meant(groups, "github#0", "push")) == ["a"]
    assert list(meant(groups, "x", "push")) == ["a", "b"]
    assert list(meant(groups, "x#3", "pull")) == ["b"]


async def test_a_group_is_made_and_marked_and_given_nothing(store: Redis) -> None:
    """The mark reads no event, however often it is confirmed."""
    await store.xadd(STREAM, {"id": "evt_1"})
    for _ in range(3):
        await holder(store, ci="github:*", crm="unipile:*").hold(TAG, TYPE)

    assert await marks(store) == {"ci": [("@held", 0)]}
    (group,) = await store.xinfo_groups(STREAM)
    assert group["last-delivered-id"] == b"0-0"


async def test_a_group_of_somebody_else_is_marked_and_left_as_it_is(store: Redis) -> None:
    """One that a worker made and has read from."""
    await store.xadd(STREAM, {"id": "evt_1"})
    await store.xgroup_create(STREAM, "ci", id="0")
    await store.xreadgroup("ci", "worker", {STREAM: ">"})
    (before,) = await store.xinfo_groups(STREAM)

    await holder(store, ci="github:*").hold(TAG, TYPE)

    (now,) = await store.xinfo_groups(STREAM)
    assert now["last-delivered-id"] == before["last-delivered-id"]
    assert await marks(store) == {"ci": [("@held", 0), ("worker", 1)]}


async def test_confirming_begins_the_idle_time_anew(store: Redis) -> None:
    """That is how one gateway sees that another still lists the group."""
    await store.xadd(STREAM, {"id": "evt_1"})
    own = holder(store, ci="github:*")
    await own.hold(TAG, TYPE)
    await asyncio.sleep(0.2)
    (before,) = await store.xinfo_consumers(STREAM, "ci")

    await own.hold(TAG, TYPE)

    (now,) = await store.xinfo_consumers(STREAM, "ci")
    assert now["idle"] < before["idle"]


async def test_a_full_server_marks_a_group_all_the_same(store: Redis) -> None:
    """That is when streams are trimmed to what the marks say."""
    await store.xadd(STREAM, {"id": "evt_1"})
    await store.xgroup_create(STREAM, "ci", id="0")
    async with full(store):
        await holder(store, ci="github:*").hold(TAG, TYPE)

    assert await marks(store) == {"ci": [("@held", 0)]}


async def test_a_stream_that_is_gone_is_not_made_anew(store: Redis) -> None:
    """Only an event makes a stream."""
    await holder(store, ci="github:*").hold(TAG, TYPE)

    assert not await store.exists(STREAM)


async def test_what_is_no_stream_is_said(store: Redis) -> None:
    """The caller knows which key it was."""
    await store.set(STREAM, "x")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await holder(store, ci="github:*").hold(TAG, TYPE)
    await store.delete(STREAM)


async def test_a_mark_that_nobody_confirms_is_taken_off(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of a group in the own configuration, not a worker's, and not before its time."""
    await store.xadd(STREAM, {"id": "evt_1"})
    await holder(store, ours="*:*", theirs="*:*").hold(TAG, TYPE)
    await store.xgroup_createconsumer(STREAM, "theirs", "worker")
    own = holder(store, ours="*:*")

    await own.release(TAG, TYPE)
    early = await marks(store)
    monkeypatch.setattr("relay.hold.RELEASE_SECONDS", 0)
    await own.release(TAG, TYPE)

    assert RELEASE_SECONDS == 3600
    assert early == {"ours": [("@held", 0)], "theirs": [("@held", 0), ("worker", 0)]}
    assert await marks(store) == {"ours": [("@held", 0)], "theirs": [("worker", 0)]}
