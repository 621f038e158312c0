"""Worker processes that are killed while they are paused: nothing runs, and nothing is lost."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from consumers.operations.groups.pause import pause, resume
from tests.consumers.making import (
    GROUP,
    KEYS,
    append_events,
    dead_letters,
    histories,
    numbered,
    pending,
)
from tests.e2e.killing import QUICKLY, Killing, client_of
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

EVENTS = 300

HANDLERS = """
    import asyncio, os
    from consumers import Event, Worker

    worker = Worker(group="crm")
    book = os.open("runs.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @worker.on("unipile:message.new", concurrency=5, read_ahead=50)
    async def handle(event: Event) -> None:
        await asyncio.sleep(0.01)
        os.write(book, f"{event.id} {event.attempt}\\n".encode())
"""


async def test_a_kill_in_a_pause_costs_nothing(
    tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    """Two pauses, a kill in each, before or after the worker has handed back what it had."""
    (tmp_path / "handlers.py").write_text(QUICKLY + textwrap.dedent(HANDLERS))
    server = start_server("valkey", "none")

    def runs() -> list[str]:
        book = tmp_path / "runs.txt"
        return book.read_text("utf-8").splitlines() if book.exists() else []

    def done() -> int:
        return len(set(runs()))

    meanwhile: list[int] = []
    async with client_of(server) as store, Killing(tmp_path, server, GROUP) as killing:
        await append_events(store, numbered(EVENTS))
        for number in range(2):
            enough = 20 + done()
            await wait_until(
                lambda enough=enough: done() > enough,  # type: ignore[misc]
                deadline_seconds=30.0,
                description="some ran",
            )
            await pause(store, KEYS, GROUP)
            await killing.kill_one(lambda: EVENTS, EVENTS)

            async def quiet() -> bool:
                held = {name for name in (await pending(store)).values() if name[0] != "@"}
                living = [await store.exists(KEYS.alive(GROUP, name)) for name in held]
                return not any(living)

            await wait_until(quiet, deadline_seconds=30.0, description="no living worker has any")
            before = done()
            await append_events(store, [f"meanwhile_{number}"])
            meanwhile.append(done() - before)
            await resume(store, KEYS, GROUP)
        await killing.finish(done, EVENTS + len(meanwhile))
        attempts, letters = await histories(store), await dead_letters(store)

    assert meanwhile == [0, 0]
    assert {line.split()[1] for line in runs()} == {"1"}
    assert (attempts, letters) == ({}, [])
