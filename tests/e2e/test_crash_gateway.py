"""Every 200 has its entry and none has two, whoever is killed under load."""

import asyncio
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.load import Answers, sending
from tests.programs import gateway
from tests.servers import NAMES, Server, free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

STREAM = "relay:{unipile}:message.new"
# Enough to have requests under way whenever a program dies, and too few to keep the next from
# starting.
CONNECTIONS = 8


def stored(server: Server) -> dict[str, str]:
    """Give the entry id of every event id in the stream; fail where one has two."""
    entries = server.entries(STREAM)
    ids = Counter(fields[b"id"].decode() for _, fields in entries)
    assert [event_id for event_id, count in ids.items() if count > 1] == []
    return {fields[b"id"].decode(): entry_id for entry_id, fields in entries}


def assert_all_kept(answers: Answers, server: Server) -> None:
    """Compare what senders were told with what is in the stream."""
    kept = stored(server)
    told = {
        event_id: ids for event_id, ids in answers.entries.items() if ids != {kept.get(event_id)}
    }
    assert told == {}, "answered 200, but not in the stream under that entry id"


# The server is never ended here, so one kind of it says all.
@pytest.mark.parametrize("name", NAMES[:1])
async def test_killed_gateway_loses_and_doubles_nothing(
    name: str, start_server: StartServer, tmp_path: Path
) -> None:
    """A gateway is killed twice under load, and started again on the same port."""
    server = start_server(name, "always")
    port = free_port()
    url = f"http://127.0.0.1:{port}/webhooks/unipile"
    with ExitStack() as last:
        async with sending(lambda: url, connections=CONNECTIONS) as answers:
            for _ in range(2):
                with gateway(tmp_path, server.url, port=port) as program:
                    before = _entries(server)
                    await wait_until(
                        lambda before=before: _entries(server) > before + 300,  # type: ignore[misc]
                        deadline_seconds=60,
                        description="300 more events are stored",
                    )
                    program.kill()
            last.enter_context(gateway(tmp_path, server.url, port=port))

    assert answers.accepted > 600
    assert answers.broken > 0, "no request was under way when the gateway died"
    assert_all_kept(answers, server)


@pytest.mark.parametrize("name", NAMES)
async def test_killed_server_loses_and_doubles_nothing_that_was_accepted(
    name: str, start_server: StartServer, tmp_path: Path
) -> None:
    """The store is killed three times under load; the gateway goes on by itself."""
    server = start_server(name, "always")
    with gateway(tmp_path, server.url) as program:
        async with sending(lambda: program.url, connections=CONNECTIONS) as answers:
            for _ in range(3):
                before = _entries(server)
                await wait_until(
                    lambda before=before: _entries(server) > before + 300,  # type: ignore[misc]
                    deadline_seconds=60,
                    description="300 more events are stored",
                )
                await asyncio.to_thread(server.restart)
            before = _entries(server)
            await wait_until(lambda: _entries(server) > before, description="it goes on by itself")

        assert answers.accepted > 900
        assert_all_kept(answers, server)


async def test_store_away_is_answered_503_until_it_is_back(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Health tells the truth, and nothing accepted is missing afterwards."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url, RELAY_APPEND_DEADLINE_SECONDS="0.5") as program:
        async with sending(lambda: program.url, connections=4) as answers:
            await wait_until(lambda: _entries(server) > 20, description="events are stored")
            await asyncio.to_thread(server.kill)
            await wait_until(
                lambda: program.get("/readyz") == 503 and program.get("/livez") == 200,
                description="ready is red, alive is green",
            )
            await wait_until(
                lambda: answers.statuses.get(503, 0) > 3, description="senders see 503"
            )
            await asyncio.to_thread(server.start)
            await wait_until(lambda: program.get("/readyz") == 200, description="ready is green")
            accepted = answers.accepted
            await wait_until(
                lambda: answers.accepted > accepted, description="events are taken again"
            )

        assert_all_kept(answers, server)


def _entries(server: Server) -> int:
    with server.client() as client:
        return int(client.xlen(STREAM))
