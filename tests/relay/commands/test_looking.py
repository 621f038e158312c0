"""``relay streams`` and ``relay tail`` on real servers."""

import asyncio
import base64
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from relay.append import Appender
from relay.contract.connect import connect
from relay.contract.event import IdentifiedEvent
from relay.contract.keys import Keys
from tests.making import make_identified
from tests.programs import end, start
from tests.relay.commands.conftest import Relay
from tests.servers import Server, wait_until_sync

pytestmark = pytest.mark.redis


def put(server: Server, *events: IdentifiedEvent) -> None:
    """Append events as a gateway would, and announce their tags."""

    async def append() -> None:
        redis = connect(server.url, role="test")
        appender = Appender(redis, Keys())
        for event in events:
            await appender.append(event)
        await appender.stop()
        await redis.sadd(Keys().tags, *{event.tag for event in events})
        await redis.aclose()

    asyncio.run(append())


def documents(text: str) -> list[dict[str, Any]]:
    """Read one JSON object per line."""
    return [json.loads(line) for line in text.splitlines()]


def with_body(event_id: str, data: bytes) -> IdentifiedEvent:
    """Make an event whose body matters."""
    return make_identified(event_id, data=data)


def test_no_stream_yet(relay: Relay, server: Server) -> None:
    """An empty store is no fault, and says how to fill it."""
    done = relay("streams", "--redis-url", server.url)

    assert done.exit_code == 0
    assert "relay send" in done.stdout


def test_each_stream_has_a_row(relay: Relay, server: Server) -> None:
    """Entries, times, memory and groups of every type and partition are shown."""
    put(
        server,
        make_identified("1"),
        make_identified("2"),
        make_identified("3", "email.new", tag="shop#1"),
    )
    with server.client() as client:
        client.xgroup_create("relay:{unipile}:message.new", "crm", id="0")

    done = relay("streams", "--json", REDIS_URL=server.url)

    assert done.exit_code == 0
    partition, unipile = json.loads(done.stdout)
    assert (partition["endpoint"], partition["tag"], partition["entries"]) == ("shop", "shop#1", 1)
    assert (unipile["type"], unipile["entries"], unipile["groups"]) == ("message.new", 2, ["crm"])
    assert unipile["bytes"] > 0
    assert unipile["first"] <= unipile["last"]
    assert unipile["first"].endswith("Z")


def test_a_deleted_stream_and_an_impossible_time(relay: Relay, server: Server) -> None:
    """What others did to a stream is shown as it is."""
    put(server, make_identified("1"), make_identified("2", "odd"))
    with server.client() as client:
        client.delete("relay:{unipile}:message.new")
        client.xadd("relay:{unipile}:odd", {"x": "y"}, id="18446744073709551615-1")

    done = relay("streams", REDIS_URL=server.url)

    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 3


def test_what_something_else_has_written_hides_no_stream_of_other_tags(
    relay: Relay, server: Server
) -> None:
    """It is named where it is meant."""
    put(server, make_identified("1"), make_identified("2", tag="github"))
    spoiled = Keys().streams("github")
    with server.client() as client:
        client.delete(spoiled)
        client.set(spoiled, "mine", px=60_000)

    listed = relay("streams", "--json", REDIS_URL=server.url)
    arguments = ("--from", "0", "--count", "1", "--json")
    followed = relay("tail", "unipile:*", *arguments, REDIS_URL=server.url)
    meant = relay("tail", "*:*", *arguments, REDIS_URL=server.url)

    assert [row["tag"] for row in json.loads(listed.stdout)] == ["unipile"]
    assert [found["id"] for found in documents(followed.stdout)] == ["1"]
    for named in (listed, meant):
        assert f"{spoiled} is a string, where the relay keeps a hash" in named.stderr


def test_tail_from_the_beginning(relay: Relay, server: Server) -> None:
    """Everything stored comes out, in each stream's order."""
    put(server, *(make_identified(str(number)) for number in range(250)))

    done = relay("tail", "--from", "0", "--count", "250", "--json", REDIS_URL=server.url)

    assert done.exit_code == 0
    assert [entry["id"] for entry in documents(done.stdout)] == [str(n) for n in range(250)]


def test_tail_shows_the_body_as_text_or_base64(relay: Relay, server: Server) -> None:
    """A body that is not text loses no byte."""
    put(server, with_body("1", "héllo\n".encode()), with_body("2", b"\xff\x00"))

    done = relay("tail", "--from", "0", "--count", "2", "--json", REDIS_URL=server.url)

    text, binary = documents(done.stdout)
    assert text["data"] == "héllo\n"
    assert base64.b64decode(binary["data_base64"]) == b"\xff\x00"
    assert "data" not in binary


def test_tail_shows_nothing_that_acts_on_a_terminal(relay: Relay, server: Server) -> None:
    """A hostile id is written out, one line per event, and no body is shown."""
    hostile = "evt\x1b]0;x\x07\r\n[red]"
    put(server, with_body(hostile, b"a body"))

    done = relay("tail", "--from", "0", "--count", "1", REDIS_URL=server.url)

    assert done.stdout.count("\n") == 1
    assert "evt\\x1b]0;x\\x07\\x0d\\x0a[red]" in done.stdout
    assert "a body" not in done.stdout


def test_tail_keeps_to_its_pattern(relay: Relay, server: Server) -> None:
    """Other streams are not read."""
    put(
        server,
        make_identified("1", "email.new"),
        make_identified("2", "message.new", tag="shop"),
        make_identified("3", "message.new"),
    )

    done = relay(
        "tail", "unipile:message.*", "--from=0", "--count=1", "--json", REDIS_URL=server.url
    )

    assert [entry["id"] for entry in documents(done.stdout)] == ["3"]


def test_tail_goes_on_after_an_entry_that_is_not_ours(relay: Relay, server: Server) -> None:
    """It is told, and does not stop the rest."""
    put(server, make_identified("1"))
    with server.client() as client:
        client.xadd("relay:{unipile}:message.new", {"odd": "\x1b"})
    put(server, make_identified("2"))

    done = relay("tail", "--from", "0", "--count", "3", REDIS_URL=server.url)

    assert done.exit_code == 0
    assert "is missing" in done.stdout.splitlines()[1]


def follow(server: Server, directory: Path, *arguments: str) -> Any:
    """Start ``relay tail`` as a process, and return when it reads."""
    program = start(["-m", "relay", "tail", *arguments], directory, "tail", REDIS_URL=server.url)
    wait_until_sync(lambda: _blocked(server) == 1, description="tail waits for entries")
    return program


def _blocked(server: Server) -> int:
    with server.client() as client:
        return int(client.info("clients")["blocked_clients"])


@pytest.mark.one_server("over a cluster it asks in turns, so that nothing shows that it waits")
def test_tail_follows_from_now_and_finds_new_streams(server: Server, tmp_path: Path) -> None:
    """Old events stay out, a stream that begins later is found, Ctrl-C ends it with 0."""
    put(server, make_identified("old"))
    program = follow(server, tmp_path)
    try:
        put(server, make_identified("new"), make_identified("first", "email.new"))
        with server.client() as client:
            client.xadd(Keys().control, {"what": "stream"})
        wait_until_sync(lambda: "first" in program.output(), description="both were shown")
        program.process.send_signal(signal.SIGINT)
        code = program.process.wait(20)
    finally:
        end(program)

    assert code == 0
    assert [line.split("  ")[3] for line in program.output().splitlines()] == ["new", "first"]


@pytest.mark.one_server("over a cluster it asks in turns, so that nothing shows that it waits")
def test_tail_outlives_a_restart_of_the_store(own_server: Server, tmp_path: Path) -> None:
    """It waits and goes on where it was."""
    put(own_server, make_identified("1"))
    program = follow(own_server, tmp_path, "--from", "0", "--count", "2", "--json")
    try:
        wait_until_sync(lambda: '"id": "1"' in program.output(), description="the first is shown")
        own_server.restart()
        put(own_server, make_identified("2"))
        code = program.process.wait(20)
    finally:
        end(program)

    assert code == 0
    assert program.output().count('"id": ') == 2
    assert "Redis is away" in program.output()


def test_a_reader_that_goes_is_no_error(server: Server, tmp_path: Path) -> None:
    """``relay tail | head`` ends without a traceback."""
    put(server, *(make_identified(str(number)) for number in range(2000)))

    done = _piped(["relay", "tail", "--from", "0", "--redis-url", server.url], tmp_path)

    assert b"Traceback" not in done.stderr
    assert done.stdout.count(b"\n") == 1


def _piped(arguments: Sequence[str], directory: Path) -> subprocess.CompletedProcess[bytes]:
    command = f"{sys.executable} -m {' '.join(arguments)} | head -n 1"
    return subprocess.run(
        command, shell=True, cwd=directory, capture_output=True, timeout=20, check=True
    )
