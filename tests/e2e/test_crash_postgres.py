"""The example with PostgreSQL: workers are killed at random moments, every effect is there once."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.consumers.making import KEYS, TAG, append_events, numbered
from tests.e2e.killing import QUICKLY, Killing, client_of
from tests.postgres import find_binaries, postgres
from tests.servers import Server

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "postgres_once.py"
GROUP = "message-count"
# More than the kills can take, each of which waits for a hundred at most.
EVENTS = 350
ROUNDS = 3

# The example as it is, with a moment between its commit and the acknowledgement.
HANDLERS = """
import asyncio
import postgres_once

async def slowly(event, pool):
    await postgres_once.count_message(event, pool)
    await asyncio.sleep(0.02)

worker = postgres_once.Worker(postgres_once.worker.group)
worker.resource(postgres_once.pool)
worker.on("unipile:message.*")(slowly)
"""


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a PostgreSQL server with the example's tables."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("this machine has no PostgreSQL server")
    with postgres(binaries) as url:
        subprocess.run(
            [sys.executable, str(EXAMPLE)],
            env={"DATABASE_URL": url, "PYTHONPATH": str(EXAMPLE.parent.parent)},
            check=True,
        )
        yield url


async def test_every_message_counts_once_whoever_is_killed(
    database: str, tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    """Events that ran twice have counted once, and none is missing."""
    shutil.copy(EXAMPLE, tmp_path)
    (tmp_path / "handlers.py").write_text(QUICKLY + HANDLERS)
    server = start_server("valkey", "always")

    async with client_of(server) as store:
        await append_events(store, numbered(EVENTS))
    # One connection for all questions: a new one is a new process of the server.
    with psycopg.connect(database, autocommit=True) as asking, server.client() as client:

        def ask(query: Any) -> int:
            row = asking.execute(query).fetchone()
            return int(row[0] or 0) if row else 0

        def done() -> int:
            dead: Any = client.xlen(KEYS.dead(TAG, GROUP))
            return ask("SELECT count(*) FROM handled") + int(dead)

        async with Killing(tmp_path, server, GROUP, DATABASE_URL=database) as killing:
            for _ in range(ROUNDS):
                await killing.kill_one(done, EVENTS)
            await killing.finish(done, EVENTS)

        assert sum(killing.hit) > 0, f"seed {killing.seed}"
        assert done() == EVENTS, f"seed {killing.seed}"
        assert ask("SELECT sum(received) FROM messages") == ask("SELECT count(*) FROM handled")
