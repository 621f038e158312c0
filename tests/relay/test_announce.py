"""Making streams known: tags, news, and groups that miss nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from fakeredis import FakeServer
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from relay.announce import Announcer
from relay.contract.duties import cancel
from relay.contract.keys import Keys
from relay.contract.patterns import parse_pattern
from relay.hold import Holder
from tests.fakes import fake_store
from tests.waiting import wait_until

KEYS = Keys()
TAGS = ["unipile", "github#0"]


@pytest.fixture
def memory() -> FakeServer:
    """A store in memory, which can go away."""
    return FakeServer()


@pytest.fixture
async def client(memory: FakeServer) -> AsyncIterator[Redis]:
    """A client of `memory`."""
    made = fake_store(memory)
    yield made
    await made.aclose()


def make_announcer(client: Redis, groups: Mapping[str, list[str]] | None = None) -> Announcer:
    """Announce two tags, for groups with these patterns."""
    patterns = {
        group: [parse_pattern(text) for text in texts] for group, texts in (groups or {}).items()
    }
    return Announcer(client, KEYS, TAGS, Holder(client, KEYS, patterns))


async def add_stream(client: Redis, tag: str, event_type: str) -> None:
    """Write an entry and the registration of its stream, as appending does."""
    await client.xadd(KEYS.stream(tag, event_type), {"id": "evt_1"})
    await client.hset(KEYS.streams(tag), event_type, "1 1-0")


async def told(client: Redis) -> list[tuple[str, str]]:
    """Give tag and type of each stream that was told."""
    raw: Any = await client.xrange(KEYS.control)
    assert all(fields[b"what"] == b"stream" for _, fields in raw)
    return [(fields[b"tag"].decode(), fields[b"type"].decode()) for _, fields in raw]


async def groups_of(client: Redis, tag: str, event_type: str) -> dict[str, str]:
    """Give a stream's groups and what each was delivered last."""
    raw: Any = await client.xinfo_groups(KEYS.stream(tag, event_type))
    return {one["name"].decode(): one["last-delivered-id"].decode() for one in raw}


async def test_tags_are_written(client: Redis) -> None:
    """Every tag of the configuration is in the books after one round, and no other key."""
    await make_announcer(client).refresh()

    assert await client.smembers(KEYS.tags) == {b"unipile", b"github#0"}
    assert await client.keys() == [b"relay:@tags"]


async def test_a_new_stream_is_told_once(client: Redis) -> None:
    """News is told on the control stream in its order, and not again."""
    announcer = make_announcer(client)
    announcer.registered("unipile", "a")
    announcer.registered("github#0", "b")

    await announcer.refresh()
    await announcer.refresh()

    assert await told(client) == [("unipile", "a"), ("github#0", "b")]


async def test_groups_are_created_at_the_beginning(client: Redis) -> None:
    """Every group whose pattern means the stream gets it from its first entry on."""
    await add_stream(client, "github#0", "push")
    announcer = make_announcer(client, {"ci": ["github:*"], "all": ["*:*"], "crm": ["unipile:*"]})
    announcer.registered("github#0", "push")

    await announcer.refresh()

    assert await groups_of(client, "github#0", "push") == {"ci": "0-0", "all": "0-0"}
    for tag in TAGS:
        assert set(await client.hgetall(KEYS.groups(tag))) == {b"ci", b"all", b"crm"}


async def test_groups_that_exist_are_left_as_they_are(client: Redis) -> None:
    """A group that has read on is not set back."""
    await add_stream(client, "unipile", "a")
    announcer = make_announcer(client, {"crm": ["unipile:*"]})
    await announcer.refresh()
    await client.xreadgroup("crm", "reader", {KEYS.stream("unipile", "a"): ">"})
    before = await groups_of(client, "unipile", "a")

    await announcer.refresh()

    assert await groups_of(client, "unipile", "a") == before
    assert before["crm"] != "0-0"


async def test_what_no_configuration_lists_any_more_is_let_go(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Again and again, once the gateway has seen for an hour who else confirms what."""
    monkeypatch.setattr("relay.announce.RELEASE_SECONDS", 0.02)
    monkeypatch.setattr("relay.announce.REFRESH_SECONDS", 0.01)
    released = noting_releases(announcer := make_announcer(client), monkeypatch)
    running = asyncio.create_task(announcer.run())

    await wait_until(lambda: len(released) >= 4, description="it is released again and again")
    await cancel([running])

    assert set(released) == set(TAGS)


async def test_a_gateway_that_has_just_found_the_store_lets_nothing_go(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one that has just come: others have had no time to confirm what they list."""
    monkeypatch.setattr("relay.announce.REFRESH_SECONDS", 0.01)
    released = noting_releases(announcer := make_announcer(client), monkeypatch)
    running = asyncio.create_task(announcer.run())
    await wait_until(lambda: _has(client, KEYS.tags), description="the first round is done")
    announcer._release_at = 0.0
    announcer.connected()
    await client.flushall()
    await wait_until(lambda: _has(client, KEYS.tags), description="another round is done")
    await cancel([running])

    assert released == []


def noting_releases(announcer: Announcer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have noted of which tags an announcer lets groups go."""
    released: list[str] = []

    async def confirm(tag: str, *, release: bool) -> None:
        released.extend([tag] * release)

    monkeypatch.setattr(announcer._holder, "confirm", confirm)
    return released


async def test_a_stream_that_is_gone_again_is_no_fault(client: Redis) -> None:
    """A registration without its stream makes neither a stream nor an error."""
    await client.hset(KEYS.streams("unipile"), "gone", "1 1-0")

    await make_announcer(client, {"crm": ["*:*"]}).refresh()

    assert not await client.exists(KEYS.stream("unipile", "gone"))


@pytest.mark.redis
async def test_a_refusal_is_told_and_does_not_hold_up_the_rest(store: Redis) -> None:
    """Books of a wrong type cost their own tag its groups, and no other."""
    await store.set(KEYS.streams("unipile"), "x")
    await store.xadd(KEYS.stream("github#0", "b"), {"x": "y"})
    await store.hset(KEYS.streams("github#0"), "b", "1 1-0")
    with capture_logs() as logs:
        await make_announcer(store, {"crm": ["*:*"]}).refresh()
    await store.delete(KEYS.streams("unipile"))

    assert [line["key"] for line in logs if line["event"] == "announcing_refused"] == [
        KEYS.streams("unipile")
    ]
    assert await groups_of(store, "github#0", "b") == {"crm": "0-0"}


@pytest.mark.redis
async def test_what_is_no_stream_is_passed_over(store: Redis) -> None:
    """The other streams of its tag get their groups."""
    await store.set(KEYS.stream("unipile", "a"), "x", ex=60)
    await store.xadd(KEYS.stream("unipile", "b"), {"x": "y"})
    await store.hset(KEYS.streams("unipile"), mapping={"a": "1 1-0", "b": "2 1-0"})

    await make_announcer(store, {"crm": ["*:*"]}).refresh()

    assert await groups_of(store, "unipile", "b") == {"crm": "0-0"}


async def test_news_that_cannot_be_told_do_not_hold_up_later_ones(client: Redis) -> None:
    """Workers find the stream by looking, and its groups are there."""
    await client.set(KEYS.control, "x")
    for name in ("a", "b"):
        await client.xadd(KEYS.stream("unipile", name), {"x": "y"})
    announcer = make_announcer(client, {"crm": ["*:*"]})
    announcer.registered("unipile", "a")
    announcer.registered("unipile", "b")
    await announcer.refresh()

    assert len(await client.xinfo_groups(KEYS.stream("unipile", "a"))) == 1
    assert len(await client.xinfo_groups(KEYS.stream("unipile", "b"))) == 1


async def test_news_outlives_an_outage(client: Redis, memory: FakeServer) -> None:
    """What could not be told is told when the store is back."""
    announcer = make_announcer(client)
    announcer.registered("unipile", "a")
    memory.connected = False
    with pytest.raises(RedisConnectionError):
        await announcer.refresh()

    memory.connected = True
    await announcer.refresh()

    assert await told(client) == [("unipile", "a")]
    assert await client.scard(KEYS.tags) == 2


@pytest.mark.parametrize("news", ["registered", "connected"])
async def test_it_is_woken_by_news(client: Redis, news: str) -> None:
    """A new stream, or a store that was away, is not left until the next minute."""
    announcer = make_announcer(client)
    running = asyncio.create_task(announcer.run())
    await wait_until(lambda: _has(client, KEYS.tags), description="the first round is done")
    await client.flushall()

    if news == "registered":
        announcer.registered("unipile", "a")
    else:
        announcer.connected()

    await wait_until(lambda: _has(client, KEYS.tags), description="the tags are written again")
    await cancel([running])


async def _has(client: Redis, key: str) -> bool:
    return await client.exists(key) == 1


async def test_a_server_of_a_cluster_that_is_away_holds_up_no_other(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the others have is made known; the rest when it is back."""
    monkeypatch.setattr("relay.announce.is_cluster", lambda _: True)
    create, away = Holder.create, {"unipile"}

    async def create_unless_away(holder: Holder, tag: str, event_type: str) -> None:
        if tag in away:
            raise RedisConnectionError
        await create(holder, tag, event_type)

    monkeypatch.setattr(Holder, "create", create_unless_away)
    for tag in TAGS:
        await add_stream(client, tag, "a")
    announcer = make_announcer(client, {"all": ["*:*"]})
    for tag in TAGS:
        announcer.registered(tag, "a")

    with pytest.raises(RedisConnectionError):
        await announcer.refresh()
    others = await groups_of(client, "github#0", "a")
    theirs = await groups_of(client, "unipile", "a")
    away.clear()
    await announcer.refresh()

    assert (others, theirs) == ({"all": "0-0"}, {})
    assert await groups_of(client, "unipile", "a") == {"all": "0-0"}
    assert ("unipile", "a") in await told(client)
