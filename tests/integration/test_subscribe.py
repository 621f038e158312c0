"""Another program subscribes: reads, acknowledges and takes over, with no code of ours.

The events come from the append room; everything behind the stream is a plain client's. Names are
written out here, since they are what other programs rely on.
"""

import itertools
import shutil
import subprocess
from typing import Any

import pytest
import redis as plain
from redis.asyncio import Redis

from consumers import Event, Worker
from tests.consumers.making import append_events
from tests.consumers.working import running
from tests.making import body_of
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = "relay:{unipile}:message.new"
GROUP = "analytics"


@pytest.fixture
def cli(server: Server) -> "Cli":
    """The command-line client of Redis."""
    program = shutil.which("redis-cli") or shutil.which("valkey-cli")
    if program is None:
        pytest.skip("this machine has no redis-cli")
    return Cli(program, server.port)


class Cli:
    """Runs one command at a time, as a person or a shell script would.

    Args:
        program: The client.
        port: The server's.
    """

    def __init__(self, program: str, port: int) -> None:
        self._command = [program, "-h", "127.0.0.1", "-p", str(port)]

    def __call__(self, *words: str) -> list[str]:
        """Run a command and give the lines that it printed."""
        done = subprocess.run(
            [*self._command, *words], capture_output=True, check=True, text=True, timeout=10
        )
        return done.stdout.splitlines()


def field(lines: list[str], name: str) -> list[str]:
    """Give the values that follow a name."""
    return [value for before, value in itertools.pairwise(lines) if before == name]


# --- redis-cli


async def test_events_are_read_and_acknowledged_with_redis_cli(store: Redis, cli: Cli) -> None:
    """A group of its own begins with the first event; what is acknowledged does not come again."""
    entry_ids = await append_events(store, ["evt_1", "evt_2"])
    made = cli("XGROUP", "CREATE", STREAM, GROUP, "0")
    read = cli("XREADGROUP", "GROUP", GROUP, "shell", "COUNT", "10", "STREAMS", STREAM, ">")
    acked = cli("XACK", STREAM, GROUP, *entry_ids)
    left = cli("XPENDING", STREAM, GROUP)

    assert made == ["OK"]
    assert field(read, "id") == ["evt_1", "evt_2"]
    assert field(read, "data") == [body_of("evt_1").decode(), body_of("evt_2").decode()]
    assert field(read, "assurance") == ["body", "body"]
    assert (acked, left[0]) == (["2"], "0")


async def test_a_crashed_readers_events_are_taken_over_with_redis_cli(
    store: Redis, cli: Cli
) -> None:
    """What one has read and not acknowledged another claims, with everything in it."""
    await append_events(store, ["evt_1", "evt_2"])
    cli("XGROUP", "CREATE", STREAM, GROUP, "0")
    cli("XREADGROUP", "GROUP", GROUP, "crashed", "STREAMS", STREAM, ">")
    claimed = cli("XAUTOCLAIM", STREAM, GROUP, "other", "0", "0")
    owners = cli("XPENDING", STREAM, GROUP, "-", "+", "10")

    assert field(claimed, "id") == ["evt_1", "evt_2"]
    assert owners.count("other") == 2
    assert "crashed" not in owners


async def test_streams_are_found_with_redis_cli(store: Redis, cli: Cli) -> None:
    """A subscriber asks for the tags, and for the types of each."""
    await append_events(store, ["evt_1"])
    await append_events(store, ["evt_2"], "email.new", tag="unipile#1")

    assert sorted(cli("SMEMBERS", "relay:@tags")) == ["unipile", "unipile#1"]
    assert cli("HKEYS", "relay:{unipile}@streams") == ["message.new"]
    assert cli("HKEYS", "relay:{unipile#1}@streams") == ["email.new"]
    assert cli("XLEN", "relay:{unipile#1}:email.new") == ["1"]


# --- redis-py


@pytest.fixture
def client(server: Server) -> Any:
    """A plain client, as redis-py's first page makes one."""
    client = plain.Redis(port=server.port, decode_responses=True)
    yield client
    client.close()


async def test_events_are_read_and_acknowledged_with_redis_py(
    store: Redis,
    client: Any,
) -> None:
    """Every field is text but the body, and this one happens to be text as well."""
    entry_ids = await append_events(store, ["evt_1", "evt_2"])
    client.xgroup_create(STREAM, GROUP, id="0")
    ((name, entries),) = client.xreadgroup(GROUP, "script", {STREAM: ">"}, count=10)
    acked = client.xack(STREAM, GROUP, *(entry_id for entry_id, _ in entries))

    assert name == STREAM
    assert [entry_id for entry_id, _ in entries] == entry_ids
    assert entries[0][1] == {
        "specversion": "1.0",
        "id": "evt_1",
        "source": "/webhooks/unipile",
        "type": "message.new",
        "receivedat": entries[0][1]["receivedat"],
        "assurance": "body",
        "relayversion": "1",
        "headers": entries[0][1]["headers"],
        "data": body_of("evt_1").decode(),
    }
    assert acked == 2
    assert client.xpending(STREAM, GROUP)["pending"] == 0


async def test_a_crashed_readers_events_are_taken_over_with_redis_py(
    store: Redis,
    client: Any,
) -> None:
    """XAUTOCLAIM goes through everything that has been idle for long enough."""
    entry_ids = await append_events(store, ["evt_1", "evt_2", "evt_3"])
    client.xgroup_create(STREAM, GROUP, id="0")
    client.xreadgroup(GROUP, "crashed", {STREAM: ">"})
    client.xack(STREAM, GROUP, entry_ids[0])
    reply = client.xautoclaim(STREAM, GROUP, "other", min_idle_time=0)

    assert [entry_id for entry_id, _ in reply[1]] == entry_ids[1:]
    assert {row["consumer"] for row in client.xpending_range(STREAM, GROUP, "-", "+", 10)} == {
        "other"
    }


async def test_a_subscriber_beside_our_workers_sees_every_event_once(
    server: Server,
    store: Redis,
    client: Any,
) -> None:
    """Both groups have all of them, and neither is in the other's way."""
    worker = Worker(group="crm")
    handled: list[str] = []

    @worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.append(event.id)

    ids = [f"evt_{number}" for number in range(50)]
    await append_events(store, ids[:25])
    client.xgroup_create(STREAM, GROUP, id="0")
    seen: list[str] = []
    async with running(worker, server.url):
        await append_events(store, ids[25:])
        while len(seen) < 50:
            for _, entries in client.xreadgroup(GROUP, "script", {STREAM: ">"}, count=7):
                seen += [fields["id"] for _, fields in entries]
                client.xack(STREAM, GROUP, *(entry_id for entry_id, _ in entries))
        await wait_until(lambda: len(handled) == 50, description="all are handled")

    assert seen == ids
    assert sorted(handled) == sorted(ids)
    assert client.xpending(STREAM, GROUP)["pending"] == 0
