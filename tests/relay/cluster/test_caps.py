"""Caps of streams on six servers."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.append.spread import SpreadAppender
from relay.caps import StreamCaps
from relay.caps.report import CapReport
from relay.contract.caps import Cap, Caps
from relay.contract.cluster import at
from relay.contract.connect import connect
from relay.metrics import Metrics
from tests.clusters import SixNodes
from tests.making import make_identified
from tests.relay.appending import KEYS
from tests.relay.cluster.load import slot_of, tags_of

pytestmark = pytest.mark.redis

KIB = 1024


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
