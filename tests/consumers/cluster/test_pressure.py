"""Streams near their caps on six servers."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from consumers.pressure import Pressure
from relay.contract.caps import Cap, Caps
from relay.contract.cluster import at
from relay.contract.connect import connect
from tests.clusters import SixNodes
from tests.consumers.cluster.town import tags_of
from tests.consumers.making import KEYS, TYPE, append_events, make_stream, us

pytestmark = pytest.mark.redis


async def test_a_server_that_is_away_keeps_no_capped_stream_of_another_from_being_found(
    six: SixNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would fill up to its cap, though all that it holds is settled."""
    tags = tags_of(six)[::2]
    client = connect(six.url, role="test")
    for tag in tags:
        await append_events(client, [f"evt_{number}" for number in range(9)], tag=tag)
        await client.hset(KEYS.streams(tag), TYPE, "1 0-1")

    async def refuse(*_: object, **__: object) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(at(client, KEYS.streams(tags[0])), "execute_command", refuse)
    pressure = Pressure(us(client), Caps({"*:*": Cap(max_entries=10)}))
    found = await pressure.look(tags, {"used_memory": 0})
    await client.aclose()

    assert found == [make_stream(tag=tag) for tag in tags[1:]]
