"""A worker process and the longest bodies: what it holds at once is bounded."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.residence import peak_bytes
from relay.contract.entry import encode
from tests.consumers.making import KEYS, TAG, TYPE, make_stream
from tests.making import make_event
from tests.programs import worker
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc"),
]

MIB = 1024 * 1024
LONGEST_BYTES = 10 * MIB
COUNT = 40
# A worker without events, what may be held, what one read may bring, and both once more on the way.
ALLOWED_BYTES = (70 + 2 * (64 + 32 + 10)) * MIB

HANDLERS = """
    import asyncio
    from consumers import Event, Worker

    worker = Worker(group="crm")

    @worker.on("unipile:*")
    async def handle(event: Event) -> None:
        await asyncio.sleep(0.02)
        with open("handled.txt", "a") as book:
            book.write("x")
"""


async def test_the_longest_bodies_are_held_a_few_at_a_time(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Forty of ten MiB wait for a handler with a hundred places."""
    (tmp_path / "handlers.py").write_text(textwrap.dedent(HANDLERS))
    book = tmp_path / "handled.txt"
    book.touch()
    server = start_server("valkey", "none")
    with server.client() as client:
        fields = encode(make_event(data=b"x" * LONGEST_BYTES))
        for _ in range(COUNT):
            client.xadd(make_stream().key, dict(zip(fields[::2], fields[1::2], strict=True)))
        client.hset(KEYS.streams(TAG), TYPE, "1 0-0")
        client.sadd(KEYS.tags, TAG)
    with worker(tmp_path, server.url, "handlers:worker") as program:
        await wait_until(
            lambda: book.stat().st_size == COUNT,
            deadline_seconds=60,
            description="all are handled",
        )
        peak = peak_bytes(program.process.pid)

    assert peak < ALLOWED_BYTES
