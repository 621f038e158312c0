"""Caps of streams on six servers."""

from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.append.script import Dropped
from relay.append.spread import SpreadAppender
from relay.caps import StreamCaps
from relay.caps.report import CapReport
from relay.contract.caps import Cap, Caps
from relay.contract.cluster import at
from relay.contract.connect import connect
from relay.contract.stream import Stream
from relay.metrics import Metrics
from tests.clusters import SixNodes
from tests.making import make_identified
from tests.relay.appending import KEYS
from tests.relay.cluster.load import slot_of, tags_of

pytestmark = pytest.mark.redis

KIB = 1024
NOTHING = Dropped("message.new", 0, 0)


@pytest.fixture
async def capped(six: SixNodes, six_store: Redis) -> StreamCaps:
    """Caps of twenty KiB, the oldest dropped, and a stream above it of every tag."""
    tags = tags_of(six)
    appender = SpreadAppender(six_store, KEYS, tags=tags)
    for tag in tags:
        for number in range(25):
            await appender.append(make_identified(f"evt_{number}", tag=tag, data=b"x" * KIB))
    await appender.stop()
    caps = Caps({"*:*": Cap(max_bytes=20 * KIB, on_full="drop_oldest")})
    return StreamCaps(six_store, KEYS, tags=tags, caps=caps, report=CapReport(KEYS, Metrics()))


async def test_a_server_that_is_away_is_asked_to_drop_from_one_stream_at_a_time(
    six: SixNodes, capped: StreamCaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer takes as long for each of its streams, and those of others would wait for all."""
    first, second, *others = tags_of(six)
    asked = []

    async def drop(_: Redis, stream: Stream, keep_bytes: int) -> Dropped:
        del keep_bytes
        asked.append(stream.tag)
        if stream.tag in {first, second}:
            raise RedisConnectionError
        return NOTHING

    monkeypatch.setattr("relay.caps.drop_to", drop)
    await capped.look()

    assert len({first, second} & set(asked)) == 1
    assert set(others) < set(asked)


async def test_a_server_that_is_away_is_asked_to_list_the_streams_of_one_tag_at_a_time(
    six: SixNodes, six_store: Redis, capped: StreamCaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of its other tags are what they were."""
    first, second, *others = tags_of(six)
    hkeys, asked, dropped = six_store.hkeys, [], []

    async def away(key: str) -> Any:
        asked.append(key)
        if key in {KEYS.streams(first), KEYS.streams(second)}:
            raise RedisConnectionError
        return await hkeys(key)

    async def drop(_: Redis, stream: Stream, keep_bytes: int) -> Dropped:
        del keep_bytes
        dropped.append(stream.tag)
        return NOTHING

    monkeypatch.setattr("relay.caps.drop_to", drop)
    await capped.look()
    dropped.clear()
    capped.registered(first, "message.new")
    monkeypatch.setattr(six_store, "hkeys", away)
    await capped.look()

    assert asked == [KEYS.streams(tag) for tag in (first, *others)]
    assert sorted(dropped) == sorted(tags_of(six))


async def test_a_server_that_is_away_opens_and_closes_no_stream(
    six: SixNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of others are watched all the same, and its own are what they were."""
    tags = tags_of(six)
    away = six.owner(slot_of(tags[0]))
    others = [tag for tag in tags if six.owner(slot_of(tag)) is not away]
    client = connect(six.url, role="test", connections=10)
    appender = SpreadAppender(client, KEYS, tags=tags)
    caps = StreamCaps(
        client,
        KEYS,
        tags=tags,
        caps=Caps({"*:*": Cap(max_bytes=20 * KIB)}),
        report=CapReport(KEYS, Metrics()),
    )

    def full() -> list[str]:
        return [tag for tag in tags if caps.of(tag, "message.new").startswith("full")]

    def refuse(*_: object, **__: object) -> None:
        raise RedisConnectionError

    async def refuse_later(*_: object, **__: object) -> None:
        raise RedisConnectionError

    for tag in (tags[0], others[0]):
        for number in range(40):
            await appender.append(make_identified(f"evt_{number}", tag=tag, data=b"x" * KIB))
    await caps.look()
    before = full()
    node = at(client, KEYS.streams(tags[0]))
    monkeypatch.setattr(node, "execute_command", refuse_later)
    monkeypatch.setattr(node, "pipeline", refuse)
    await client.unlink(KEYS.stream(others[0], "message.new"))
    for number in range(40):
        await appender.append(make_identified(f"evt_{number}", tag=others[1], data=b"x" * KIB))
    caps.registered(others[1], "message.new")
    await caps.look()
    after = full()
    await appender.stop()
    await client.aclose()

    assert before == sorted([tags[0], others[0]], key=tags.index)
    assert after == sorted([tags[0], others[1]], key=tags.index)
