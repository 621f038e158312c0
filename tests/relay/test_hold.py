"""Configured groups are told to whoever trims, created, and let go when nobody lists them."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.contract.connect import connect
from relay.contract.held import meant, read_held
from relay.contract.keys import Keys
from relay.contract.patterns import parse_pattern
from relay.hold import RELEASE_SECONDS, Holder
from tests.consumers.making import full
from tests.servers import Server

KEYS = Keys()
TAG, TYPE = "github#0", "push"
STREAM = KEYS.stream(TAG, TYPE)


def holder(store: Redis, **groups: str) -> Holder:
    """Hold groups, each with one pattern."""
    return Holder(store, KEYS, {name: [parse_pattern(text)] for name, text in groups.items()})


async def told(store: Redis) -> dict[str, list[str]]:
    """Give what the store says of the tag's groups."""
    fields: Any = await store.hgetall(KEYS.groups(TAG))
    return {name: [str(one) for one in found] for name, found in read_held(fields).items()}


async def groups_of(store: Redis) -> dict[str, str]:
    """Give the stream's groups and what each was delivered last."""
    found: Any = await store.xinfo_groups(STREAM)
    return {one["name"].decode(): one["last-delivered-id"].decode() for one in found}


# --- reading and matching


def test_patterns_say_which_streams_a_group_holds() -> None:
    """A partition is meant by its endpoint's name."""
    groups = {name: [parse_pattern(text)] for name, text in {"a": "*:push", "b": "x:*"}.items()}

    assert list(meant(groups, "github#0", "push")) == ["a"]
    assert list(meant(groups, "x", "push")) == ["a", "b"]
    assert list(meant(groups, "x#3", "pull")) == ["b"]


@pytest.mark.parametrize("value", [b"", b"1", b"1 ", b"1 x", b"1 {}", b'1 ["no colon"]', b"1 [2]"])
def test_what_cannot_be_read_holds_everything(value: bytes) -> None:
    """What is held for nothing costs memory; what is not held would be lost."""
    assert list(meant(read_held({b"crm": value}), "any", "thing")) == ["crm"]


# --- telling


@pytest.mark.redis
async def test_groups_are_told_with_their_patterns(store: Redis) -> None:
    """However often; the last patterns count."""
    await holder(store, ci="github:*", crm="*:old").confirm(TAG)
    await holder(store, ci="github:*", crm="*:message.*").confirm(TAG)

    assert await told(store) == {"ci": ["github:*"], "crm": ["*:message.*"]}


@pytest.mark.redis
async def test_a_full_server_is_told_all_the_same(store: Redis) -> None:
    """That is when streams are trimmed to what the groups have settled."""
    async with full(store):
        await holder(store, ci="github:*").confirm(TAG)

    assert await told(store) == {"ci": ["github:*"]}


@pytest.mark.redis
async def test_what_was_told_outlives_the_server(own_server: Server) -> None:
    """It is in the server's log, and so on its replicas."""
    client = connect(own_server.url, role="test")
    await holder(client, ci="github:*").confirm(TAG)

    own_server.kill()
    await asyncio.to_thread(own_server.start)
    await client.aclose()

    again = connect(own_server.url, role="test")
    assert await told(again) == {"ci": ["github:*"]}
    await again.aclose()


@pytest.mark.redis
async def test_a_group_that_nobody_confirms_is_let_go(store: Redis) -> None:
    """Not one that another gateway has confirmed, and never one of the own configuration."""
    await holder(store, ours="*:*", theirs="*:*").confirm(TAG)
    own = holder(store, ours="*:*")

    await own.confirm(TAG, release=True)
    early = await told(store)
    await an_hour_passes(store)
    await holder(store, other="*:*").confirm(TAG)
    await own.confirm(TAG, release=True)

    assert RELEASE_SECONDS == 3600
    assert set(early) == {"ours", "theirs"}
    assert set(await told(store)) == {"ours", "other"}


async def an_hour_passes(store: Redis) -> None:
    """Have every confirmation be as much older as makes a group be let go."""
    fields: Any = await store.hgetall(KEYS.groups(TAG))
    for name, value in fields.items():
        at_ms, _, patterns = value.partition(b" ")
        older = b"%d %b" % (int(at_ms) - 1000 * RELEASE_SECONDS, patterns)
        await store.hset(KEYS.groups(TAG), name, older)


# --- creating


@pytest.mark.redis
async def test_a_group_is_made_once_from_the_first_entry_on(store: Redis) -> None:
    """And only where a pattern means the stream."""
    await store.xadd(STREAM, {"id": "evt_1"})
    own = holder(store, ci="github:*", crm="unipile:*")
    await own.create(TAG, TYPE)
    before = await groups_of(store)
    await store.xreadgroup("ci", "reader", {STREAM: ">"})

    await own.create(TAG, TYPE)

    assert before == {"ci": "0-0"}
    assert (await groups_of(store))["ci"] != "0-0"


@pytest.mark.redis
async def test_a_stream_that_is_gone_is_not_made_anew(store: Redis) -> None:
    """Only an event makes a stream."""
    await holder(store, ci="github:*").create(TAG, TYPE)

    assert not await store.exists(STREAM)


@pytest.mark.redis
async def test_a_full_server_makes_a_group_all_the_same(store: Redis) -> None:
    """A stream on which a listed group is missing is not trimmed, so it would stay full."""
    await store.xadd(STREAM, {"id": "evt_1"})
    async with full(store):
        await holder(store, ci="github:*").create(TAG, TYPE)

    assert await groups_of(store) == {"ci": "0-0"}


@pytest.mark.redis
async def test_what_is_no_stream_is_passed_over(store: Redis) -> None:
    """It is none of the group's."""
    await store.set(STREAM, "x", ex=60)

    await holder(store, ci="github:*").create(TAG, TYPE)

    assert await store.get(STREAM) == b"x"
