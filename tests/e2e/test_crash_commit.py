"""Workers and their server are killed at random moments: every committed effect is there once."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.consumers.making import GROUP, KEYS, TAG, append_events, numbered
from tests.e2e.killing import QUICKLY, Killing, client_of
from tests.servers import NAMES, Server

pytestmark = pytest.mark.e2e

# More than the kills can take, each of which waits for a hundred at most.
EVENTS = 450
ROUNDS = 4
NAMES_KEY, SUM_KEY = (KEYS.effects(TAG, GROUP, name) for name in ("names", "sum"))

HANDLERS = """
    import asyncio
    from consumers import Event, Retry, Worker

    worker = Worker(group="crm")
    COUNT = "redis.call('SADD', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[2])"

    @worker.on("unipile:message.new", concurrency=20, retry=Retry(1000, cap_seconds=0.2))
    async def count(event: Event) -> None:
        await asyncio.sleep(0.01)
        if hash((event.id, event.attempt)) % 10 == 0:
            raise ValueError("canary-in-message-e2f4")
        await event.commit(COUNT, [event.key("names"), event.key("sum")], [event.id])
        # Killed here, the process has not acknowledged anything by itself.
        await asyncio.sleep(0.02)
"""


# What the servers may do differently with a script is tested without programs.
@pytest.mark.parametrize("name", NAMES[:1])
async def test_a_sum_is_exact_whoever_is_killed(
    name: str, tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    """Four kills of workers and two of the server, and every event counts one."""
    (tmp_path / "handlers.py").write_text(QUICKLY + textwrap.dedent(HANDLERS))
    server = start_server(name, "always")

    def done() -> int:
        with server.client() as client:
            return int(client.get(SUM_KEY) or 0) + client.xlen(KEYS.dead(TAG, GROUP))

    async with client_of(server) as store:
        await append_events(store, numbered(EVENTS))
    async with Killing(tmp_path, server, GROUP) as killing:
        for number in range(ROUNDS):
            await killing.kill_one(done, EVENTS)
            if number % 2:
                server.restart()
        await killing.finish(done, EVENTS)
    with server.client() as client:
        letters: Any = client.xrange(KEYS.dead(TAG, GROUP))
        counted: Any = client.smembers(NAMES_KEY)
        total = int(client.get(SUM_KEY) or 0)
    dead = {fields[b"id"] for _, fields in letters}

    assert sum(killing.hit) > 0, f"seed {killing.seed}"
    assert total == len(counted), f"seed {killing.seed}"
    assert counted | dead == {each.encode() for each in numbered(EVENTS)}, f"seed {killing.seed}"
