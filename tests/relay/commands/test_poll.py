"""Reading from several servers, each for itself."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, MovedError
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.commands import poll
from relay.commands.poll import Batch, Polling
from relay.contract.cluster import address_of, look
from tests.relay.cluster.scripted import HIGH, LOW, A, Scripted

READ_TO = {LOW: "0-0", HIGH: "0-0"}
ENTRY: list[Any] = [(b"1-0", {})]


class Servers:
    """Two servers: that of `HIGH` has an entry, that of `LOW` does what a test says."""

    def __init__(self) -> None:
        self.scripted = Scripted()
        self.problem: Exception | None = None
        self.asked: list[str] = []
        self.gate = asyncio.Event()

    async def read(self, server: Redis, streams: Mapping[str, str]) -> Batch:
        """Read from one."""
        (key,) = streams
        self.asked.append(key)
        if address_of(server) == A:
            if self.problem is not None:
                raise self.problem
            await self.gate.wait()
        return [(key.encode(), ENTRY)] if streams[key] == "0-0" else []


@pytest.fixture
async def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    """Servers whose places are known."""
    made = Servers()
    monkeypatch.setattr(poll, "_read", made.read)
    monkeypatch.setattr(poll, "POLL_SECONDS", 0.001)
    await look(made.scripted.client)
    return made


async def test_a_server_that_hangs_holds_up_no_other(servers: Servers) -> None:
    """It is asked once, and what it says in the end is given then."""
    polling = Polling(servers.scripted.client)
    first = await polling.read(READ_TO, 10.0)
    later = await polling.read(READ_TO | {HIGH: "1-0"}, 0.01)
    servers.gate.set()
    last = await polling.read(READ_TO | {HIGH: "1-0"}, 10.0)
    await polling.stop()

    assert (first, later, last) == ([(HIGH.encode(), ENTRY)], [], [(LOW.encode(), ENTRY)])
    assert servers.asked.count(LOW) == 1


async def test_a_server_that_is_away_is_named_once(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked again and again; when it has been back, another absence is said again."""
    polling, read_to = Polling(servers.scripted.client), READ_TO | {HIGH: "1-0"}
    servers.problem = RedisConnectionError()
    for _ in range(3):
        await polling.read(read_to, 0.0)
    asked = servers.asked.count(LOW)
    once = capsys.readouterr().err
    servers.problem = None
    servers.gate.set()
    back = await polling.read(read_to, 10.0)
    servers.problem = RedisConnectionError()
    for _ in range(3):
        await polling.read(read_to, 0.0)
    await polling.stop()

    assert asked == 3
    assert once == "Redis at a:1 is away; waiting for it.\n"
    assert back == [(LOW.encode(), ENTRY)]
    assert capsys.readouterr().err == once


async def test_what_another_server_was_quicker_to_say_is_not_said_twice(servers: Servers) -> None:
    """A stream may move while the server that had it hangs."""
    polling = Polling(servers.scripted.client)
    await polling.read(READ_TO, 10.0)
    servers.gate.set()
    moved = await polling.read({LOW: "1-0", HIGH: "1-0"}, 0.01)
    await polling.stop()

    assert moved == []


async def test_a_stream_that_has_moved_is_no_absence(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked for at the new place with the next question."""
    polling = Polling(servers.scripted.client)
    servers.problem = MovedError("1 b:2")
    await polling.read(READ_TO | {HIGH: "1-0"}, 0.0)
    await polling.stop()

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("problem", [AuthenticationError(), ValueError()])
async def test_what_waiting_does_not_help_is_raised(servers: Servers, problem: Exception) -> None:
    """A user who is not let in, or anything that nobody expects."""
    polling = Polling(servers.scripted.client)
    servers.problem = problem

    with pytest.raises(type(problem)):
        await polling.read(READ_TO | {HIGH: "1-0"}, 0.0)
    await polling.stop()
