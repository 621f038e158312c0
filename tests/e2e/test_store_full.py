"""A full store stops ingress in time, and the workers make room again by themselves."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.e2e.keeper import STREAM, handled, keeper
from tests.load import sending
from tests.programs import gateway
from tests.servers import NAMES, Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
# In a much smaller store, the doubling of one hash table takes more than the 15 % kept free.
ROOM_BYTES = 32 * MIB
# Not so fast that a busy gateway, which asks now and then how full it is, misses the moment: less
# than a seventh of what is kept free in a tenth of a second.
CHARACTERS = 16_000
CONNECTIONS = 8
PAUSE_SECONDS = 0.02


# When each server counts as full, and what it frees, is tested without programs.
@pytest.mark.parametrize("name", NAMES[:1])
async def test_ingress_stops_and_recovers_by_itself(
    name: str, start_server: StartServer, tmp_path: Path
) -> None:
    """503 at 85 % of maxmemory; a worker handles and trims the backlog; then 200 again."""
    server = start_server(name, "always")
    with server.client() as client:
        client.config_set("maxmemory", _used(server) + ROOM_BYTES)
    # One stream alone would be at its own cap before.
    uncapped = '{"*:*": {"max_bytes": 0}}'
    with gateway(tmp_path, server.url, RELAY_CAPS=uncapped) as program:
        async with AsyncExitStack() as load:
            load_of = sending(
                lambda: program.url,
                connections=CONNECTIONS,
                characters=CHARACTERS,
                pause_seconds=PAUSE_SECONDS,
            )
            answers = await load.enter_async_context(load_of)
            await wait_until(
                lambda: answers.statuses.get(503, 0) > 0,
                deadline_seconds=90,
                description="the store is full",
            )
            assert program.get("/readyz") == 503
            assert _ratio(server) < 0.95, "room is left for the workers"
            backlog = answers.accepted
            with keeper(tmp_path, server.url):
                await wait_until(
                    lambda: "entries_trimmed" in (tmp_path / "worker.log").read_text(),
                    deadline_seconds=90,
                    description="the workers make room",
                )
                await wait_until(
                    lambda: answers.accepted > backlog + 100,
                    deadline_seconds=90,
                    description="events are taken again",
                )
                await load.aclose()
                await wait_until(
                    lambda: handled(tmp_path) >= set(answers.entries),
                    deadline_seconds=90,
                    description="everything that was accepted is handled",
                )

        assert len(server.entries(STREAM)) < answers.accepted, "some were trimmed"


def _used(server: Server) -> int:
    with server.client() as client:
        return int(client.info("memory")["used_memory"])


def _ratio(server: Server) -> float:
    with server.client() as client:
        memory = client.info("memory")
    return float(memory["used_memory"] / memory["maxmemory"])
