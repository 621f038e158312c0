"""A gateway with a spool, whose store and which itself are killed under load."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.load import Answers, sending
from tests.programs import GatewayProgram, gateway
from tests.servers import Server, free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

STREAM = "relay:{unipile}:message.new"
# Few enough to keep no program from starting.
CONNECTIONS = 8


def counted(server: Server) -> Counter[str]:
    """Say how often each event id is in the stream."""
    return Counter(fields[b"id"].decode() for _, fields in server.entries(STREAM))


def assert_each_once(answers: Answers, server: Server) -> None:
    """Compare what senders were told with what is in the stream."""
    found = counted(server)

    assert [event_id for event_id in answers.entries if not found[event_id]] == [], "lost"
    assert [event_id for event_id, times in found.items() if times > 1] == [], "doubled"


def relay(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "relay", *words],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_an_outage_costs_nothing_even_with_a_kill_in_the_middle(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Every delivery is answered 200, and each is in its stream once when the store is back."""
    server, port = start_server("valkey", "always"), free_port()
    path = str(tmp_path / "spool")

    async def until_more(answers: Answers, events: int) -> None:
        target = answers.accepted + events
        await wait_until(lambda: answers.accepted >= target, description="more are accepted")

    async with sending(
        lambda: f"http://127.0.0.1:{port}/webhooks/unipile", connections=CONNECTIONS
    ) as answers:
        with gateway(tmp_path, server.url, port=port, RELAY_SPOOL__DIRECTORY=path) as first:
            await until_more(answers, 100)
            server.kill()
            await until_more(answers, 300)
            first.kill()
        left = json.loads(relay(tmp_path, "spool", "status", "--json", *_at(tmp_path)).stdout)
        with gateway(tmp_path, server.url, port=port, RELAY_SPOOL__DIRECTORY=path) as second:
            await until_more(answers, 200)
            server.start()
            await until_more(answers, 300)
            await wait_until(lambda: _is_empty(second), description="the spool is empty")

    assert set(answers.statuses) == {200}
    assert {row["state"] for row in left} == {"orphan"}
    assert sum(row["events"] for row in left) >= 250
    assert_each_once(answers, server)
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_stopped_gateway_leaves_its_spool_to_a_command(
    start_server: StartServer, tmp_path: Path
) -> None:
    """What two processes had when they were told to end is drained by hand, each event once."""
    server = start_server("valkey", "always")
    server.kill()
    path = str(tmp_path / "spool")
    with gateway(tmp_path, server.url, RELAY_SPOOL__DIRECTORY=path, RELAY_PROCESSES="2") as program:
        async with sending(lambda: program.url, connections=CONNECTIONS, keep=False) as answers:
            await wait_until(lambda: answers.accepted > 100, description="some are spooled")
        code = await asyncio.to_thread(program.terminate)
    away = relay(tmp_path, "spool", "drain", "--redis-url", server.url, *_at(tmp_path))
    server.start()
    done = relay(tmp_path, "spool", "drain", "--redis-url", server.url, *_at(tmp_path))
    status = relay(tmp_path, "spool", "status", *_at(tmp_path))

    assert code == 0
    assert set(answers.statuses) == {200}
    assert away.returncode == 1
    assert "Traceback" not in away.stderr
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        f"{answers.accepted} events drained, 0 left",
    )
    assert status.stdout == "The spool is empty.\n"
    assert_each_once(answers, server)


def _at(directory: Path) -> tuple[str, str]:
    return "--spool-dir", str(directory / "spool")


def _is_empty(program: GatewayProgram) -> bool:
    return "relay_spool_events 0.0" in program.metrics()
