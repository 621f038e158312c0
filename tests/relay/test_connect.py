"""How a client of ours talks to the store."""

import asyncio
from typing import Any

import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from relay.contract.address import read_address
from relay.contract.connect import (
    ResponseError,
    connect,
    connection_options,
    is_of_replica,
    place_of,
    send_command,
    text_of,
    word_of,
)
from tests.servers import Server


def test_nothing_is_ever_sent_twice_in_silence() -> None:
    """redis-py's own retries are off, for commands and for connections."""
    settings = connect("redis://localhost:6379/0", role="test").connection_pool.connection_kwargs

    assert settings["retry"].get_retries() == 0
    assert settings["retry_on_error"] == []


@pytest.mark.redis
async def test_a_refusal_is_named_without_its_message(store: Redis) -> None:
    """By the store's word, or by its kind where redis-py keeps the word to itself."""

    async def word_for(*command: str) -> str:
        with pytest.raises(ResponseError) as refusal:
            await send_command(store, *command)
        return word_of(refusal.value)

    own = "return redis.error_reply(ARGV[1])"

    assert await word_for("EVAL", own, "0", "NOREPLICAS canary") == "NOREPLICAS"
    assert await word_for("EVAL", own, "0", "READONLY You can't write") == "ReadOnlyError"
    assert await word_for("EVAL", own, "0", "canary of a message") == "ResponseError"


@pytest.mark.parametrize(("block_seconds", "timeout"), [(0.0, 2.0), (5.0, 10.0)])
def test_a_reply_is_never_waited_for_without_end(block_seconds: float, timeout: float) -> None:
    """A half-open connection is noticed, also by a client that blocks."""
    client = connect("redis://localhost:6379/0", role="test", block_seconds=block_seconds)
    settings = client.connection_pool.connection_kwargs

    assert settings["socket_timeout"] == timeout
    assert settings["socket_connect_timeout"] == 2.0


def test_the_purpose_is_seen_on_the_server() -> None:
    """CLIENT LIST shows who is connected and what for."""
    settings = connect("redis://localhost:6379/0", role="append").connection_pool.connection_kwargs

    assert settings["client_name"].startswith("relay:append:")


def test_names_are_read_whatever_they_are() -> None:
    """A name that is no text is shown, not an error."""
    assert [text_of(b"a\xff"), text_of("b")] == ["a\ufffd", "b"]


@pytest.mark.redis
def test_a_connection_that_broke_unseen_is_a_lost_connection(server: Server) -> None:
    """On uvloop, too, whose own word for it nobody would understand."""

    async def write_to_a_broken_connection() -> None:
        client = connect(server.url, role="test", connections=1)
        pool: Any = client.connection_pool
        connection = await pool.get_connection()
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        try:
            await connection.send_packed_command(b"PING\r\n")
        finally:
            await pool.release(connection)
            await client.aclose()

    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(RedisConnectionError),
    ):
        runner.run(write_to_a_broken_connection())


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://localhost:6399/0", "localhost:6399"),
        ("rediss://me:p%40ss@store.example/2?ssl_cert_reqs=none", "store.example:6379"),
        ("redis://:hunter2@10.0.0.1", "10.0.0.1:6379"),
        ("redis://", "localhost:6379"),
        ("unix://me:hunter2@/run/valkey.sock?db=1", "/run/valkey.sock"),
    ],
)
def test_a_place_holds_nothing_of_who_goes_there(url: str, place: str) -> None:
    """It is for logs, and a URL may hold a password."""
    assert place_of(url) == place


def test_no_connection_is_to_a_cluster_as_a_whole() -> None:
    """It must be to one of its servers, and never to one that happens to run here."""
    with pytest.raises(ValueError, match="many servers"):
        connection_options(read_address("redis+cluster://a,b"))


@pytest.mark.redis
async def test_a_write_that_is_not_taken_ends_in_its_time(own_server: Server) -> None:
    """A store that stands still must not hold up whoever writes more than fits in between."""
    client = connect(own_server.url, role="test", timeout_seconds=0.5)
    await client.ping()
    own_server.fall_asleep()
    try:
        with pytest.raises(RedisTimeoutError):
            await asyncio.wait_for(client.set("k", b"x" * 64 * 1024 * 1024), 20)
    finally:
        own_server.restart()

    assert await client.ping()
    await client.aclose()


@pytest.mark.redis
async def test_a_write_makes_no_task(server: Server) -> None:
    """Each would cost the event loop two turns."""
    client = connect(server.url, role="test")
    await client.ping()
    made: list[object] = []
    loop = asyncio.get_running_loop()

    def counting(running: asyncio.AbstractEventLoop, coroutine: Any, **how: Any) -> Any:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=running, **how)

    loop.set_task_factory(counting)
    try:
        await client.ping()
    finally:
        loop.set_task_factory(None)
    await client.aclose()

    assert made == []


# --- a primary that became a replica


async def demoted(server: Server) -> Redis:
    """Give a client whose one connection is to a server that becomes a replica."""
    client = connect(server.url, role="test", connections=1)
    await client.ping()
    await send_command(client, "REPLICAOF", "127.0.0.1", "1")
    return client


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
@pytest.mark.redis
@pytest.mark.parametrize("script", [False, True])
async def test_a_connection_that_a_replica_answers_is_given_up(
    own_server: Server,
    script: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """The primary may stand behind the same name by now, and nothing else ends what works."""
    client = await demoted(own_server)
    before = await client.client_id()
    write = ("EVAL", "return redis.call('SET', KEYS[1], '1')", 1, "k") if script else ("DEL", "k")
    with pytest.raises(ResponseError) as caught:
        await send_command(client, *write)
    after = await client.client_id()
    await client.aclose()

    assert is_of_replica(caught.value)
    assert before != after


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
@pytest.mark.redis
async def test_what_a_replica_still_answers_is_read(own_server: Server) -> None:
    """The connection is closed when it is given back, not in the middle of a pipeline."""
    client = await demoted(own_server)
    before = await client.client_id()
    pipeline = client.pipeline(transaction=False)
    for command in (("DEL", "k"), ("ECHO", "still"), ("DEL", "k"), ("ECHO", "here")):
        pipeline.execute_command(*command)
    replies = await pipeline.execute(raise_on_error=False)
    after = await client.client_id()
    await client.aclose()

    assert [replies[1], replies[3]] == [b"still", b"here"]
    assert before != after


@pytest.mark.redis
async def test_another_refusal_costs_no_connection(server: Server) -> None:
    """Connecting anew costs more than most commands."""
    client = connect(server.url, role="test", connections=1)
    before = await client.client_id()
    with pytest.raises(ResponseError):
        await send_command(client, "EVAL", "return redis.call('LPUSH', 'k')", 0)
    after = await client.client_id()
    await client.aclose()

    assert before == after


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("ERR Error running script: @user_script: 1: -READONLY You can't write", True),
        ("UNBLOCKED force unblock from blocking operation, instance state changed", True),
        ("ERR no such READONLY thing", False),
    ],
)
def test_a_replica_is_known_by_what_it_refuses(
    message: str,
    answer: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """Redis 6.2 hides the word within a script's error."""
    assert is_of_replica(ResponseError(message)) is answer
