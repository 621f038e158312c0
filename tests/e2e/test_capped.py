"""A stream at its cap: its type alone is refused, and it recovers by itself."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import StartServer
from tests.e2e.keeper import STREAM, handled, keeper
from tests.load import Answers, body_of, deliver, sending
from tests.programs import GatewayProgram, gateway
from tests.servers import NAMES, Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

CAP = 100
CONFIG = f"""
[caps."unipile:message.*"]
max_entries = {CAP}

[caps."unipile:email.*"]
max_entries = {CAP}
on_full = "drop_oldest"

[endpoints.unipile]
provider = "unipile"
secrets = [{{ env = "UNIPILE_WEBHOOK_SECRET" }}]
"""


# What the servers may do differently is tested without programs.
@pytest.mark.parametrize("name", NAMES[:1])
async def test_a_full_type_is_refused_alone_and_recovers_by_itself(
    name: str, start_server: StartServer, tmp_path: Path
) -> None:
    """By two gateways to the entry; then a worker comes, and five times the cap goes through."""
    server = start_server(name, "none")
    (tmp_path / "relay.toml").write_text(CONFIG)
    async with AsyncExitStack() as stack:
        programs = [
            stack.enter_context(gateway(tmp_path, server.url, name=name)) for name in ("a", "b")
        ]
        loads = [await stack.enter_async_context(_load_on(program)) for program in programs]
        await wait_until(
            lambda: all(one.statuses.get(503, 0) > 20 for one in loads),
            deadline_seconds=60,
            description="both gateways refuse",
        )
        assert len(server.entries(STREAM)) == CAP
        assert _accepted(loads) == CAP
        assert await _send_emails(programs[0].url, 2 * CAP) == {200: 2 * CAP}
        assert len(server.entries("relay:{unipile}:email.new")) == CAP
        assert programs[0].get("/readyz") == 200
        stack.enter_context(keeper(tmp_path, server.url))
        await wait_until(
            lambda: _accepted(loads) > 5 * CAP,
            deadline_seconds=90,
            description="five times the cap goes through",
        )
        longest = len(server.entries(STREAM))
        loads_done = _ids(loads)

    assert longest <= CAP
    assert handled(tmp_path) >= loads_done - _still_there(server)
    assert "entries_dropped" in (tmp_path / "a.log").read_text()


def _load_on(program: GatewayProgram) -> AbstractAsyncContextManager[Answers]:
    return sending(lambda: program.url, connections=8, pause_seconds=0.1, name=program.log.stem)


async def _send_emails(url: str, count: int) -> dict[int, int]:
    answers = Answers()
    room = asyncio.Semaphore(16)

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        async with room:
            event_id = f"email_{number}"
            await deliver(session, url, event_id, answers, body_of(event_id, "email.new"))

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one(session, number) for number in range(count)))
    return answers.statuses


def _accepted(loads: list[Answers]) -> int:
    return sum(one.accepted for one in loads)


def _ids(loads: list[Answers]) -> set[str]:
    return {event_id for one in loads for event_id in one.entries}


def _still_there(server: Server) -> set[str]:
    return {fields[b"id"].decode() for _, fields in server.entries(STREAM)}
