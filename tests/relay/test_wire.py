"""The kept connection: what it takes from redis-py, and what it bounds by itself."""

from typing import Any

import pytest
from redis.asyncio import Redis

from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, connect
from relay.contract.wire import Wire
from tests.servers import Server

pytestmark = pytest.mark.redis


async def test_a_refusal_stands_at_its_place_among_the_replies(store: Redis) -> None:
    """What was sent with it is done all the same."""
    wire = Wire(store)
    first, refused, last = await wire.exchange([("PING",), ("NOSUCH",), ("PING",)])
    await wire.close()

    assert [first, last] == [b"PONG"] * 2
    assert isinstance(refused, ResponseError)


async def test_a_store_that_hangs_is_not_waited_for(own_server: Server) -> None:
    """Nor is its late reply taken for that of the next exchange."""
    client = connect(own_server.url, role="test", timeout_seconds=0.2)
    wire = Wire(client)
    assert await wire.exchange([("ECHO", "before")]) == [b"before"]
    own_server.fall_asleep()
    with pytest.raises(TimeoutError):
        await wire.exchange([("ECHO", "late")])
    own_server.wake_up()

    assert not wire.is_open
    assert await wire.exchange([("ECHO", "after")]) == [b"after"]
    await wire.close()
    await client.aclose()


async def test_a_connection_goes_back_as_it_came(server: Server) -> None:
    """Whoever has it next counts on redis-py's limit for each reply."""
    client = connect(server.url, role="test", connections=1)
    pool: Any = client.connection_pool
    before = await pool.get_connection()
    limits = before.socket_timeout, before.health_check_interval
    await pool.release(before)
    wire = Wire(client)
    await wire.exchange([("PING",)])
    await wire.close()
    after = await pool.get_connection()

    assert after is before
    assert (after.socket_timeout, after.health_check_interval) == limits == (2.0, 10)
    await pool.release(after)
    await client.aclose()


async def test_a_connection_that_is_lost_is_taken_anew(server: Server, store: Redis) -> None:
    """The exchange that meets the loss fails, since what it asked may be done."""
    client = connect(server.url, role="test")
    wire = Wire(client)
    (client_id,) = await wire.exchange([("CLIENT", "ID")])
    await store.client_kill_filter(_id=str(client_id))
    with pytest.raises(UNKNOWN_OUTCOME):
        await wire.exchange([("PING",)])

    assert await wire.exchange([("PING",)]) == [b"PONG"]
    await wire.close()
    await client.aclose()


async def test_what_goes_on_is_not_sent_over_another_connection(
    server: Server, store: Redis
) -> None:
    """It would mean something else there, or nothing."""
    client = connect(server.url, role="test")
    wire = Wire(client)
    with pytest.raises(UNKNOWN_OUTCOME):
        await wire.go_on([("SET", "key", "first")])
    (before,) = await wire.exchange([("CLIENT", "ID")])
    (same,) = await wire.go_on([("CLIENT", "ID")])
    assert wire._connection is not None
    wire._connection.mark_for_reconnect()
    with pytest.raises(UNKNOWN_OUTCOME):
        await wire.go_on([("SET", "key", "late")])

    assert same == before
    assert await store.get("key") is None
    await wire.close()
    await client.aclose()


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
async def test_a_connection_that_a_replica_answers_is_left(own_server: Server) -> None:
    """All replies are read; then the next exchange connects anew, to who stands there now."""
    client = connect(own_server.url, role="test")
    wire = Wire(client)
    (before,) = await wire.exchange([("CLIENT", "ID")])
    with own_server.client() as other:
        other.replicaof("127.0.0.1", 1)
        refused, answered = await wire.exchange([("SET", "key", "value"), ("PING",)])
        was_open = wire.is_open
        other.replicaof("NO", "ONE")
    (after,) = await wire.exchange([("CLIENT", "ID")])

    assert isinstance(refused, ResponseError)
    assert answered == b"PONG"
    assert not was_open
    assert after != before
    await wire.close()
    await client.aclose()
