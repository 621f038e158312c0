"""The connection whose blocking command is ended from outside."""

import asyncio

import pytest
from redis.asyncio import Redis

from consumers.blocking import BlockingConnection
from relay.contract.connect import text_of
from tests.consumers.making import make_stream
from tests.servers import Server

pytestmark = pytest.mark.redis

STREAM = make_stream()


async def test_unblocking_when_nothing_blocks_returns_at_once(server: Server, store: Redis) -> None:
    """Before the first connection, and after it is closed."""
    connection = BlockingConnection(server.url, "read", 5.0)
    await connection.unblock(store)
    await connection.open()
    await connection.unblock(store)
    await connection.aclose()
    await connection.unblock(store)

    assert not connection.is_open


async def test_a_command_without_a_connection_is_a_lost_connection(server: Server) -> None:
    """The caller connects again, as after any other loss."""
    connection = BlockingConnection(server.url, "read", 5.0)

    with pytest.raises(ConnectionError):
        await connection.execute("PING")
    await connection.aclose()


async def test_a_blocked_command_is_ended_from_outside(server: Server, store: Redis) -> None:
    """It returns like one whose time is over, and the connection stays."""
    connection = BlockingConnection(server.url, "read", 60.0)
    await connection.open()
    command = ("XREAD", "BLOCK", 60_000, "STREAMS", STREAM.key, "0")
    blocked = asyncio.create_task(connection.execute(*command))
    await asyncio.sleep(0)
    await connection.unblock(store)

    assert await asyncio.wait_for(blocked, 20) is None
    assert text_of(await connection.execute("PING")) == "PONG"
    await connection.aclose()
