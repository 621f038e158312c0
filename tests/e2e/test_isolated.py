"""Handlers' own processes, with whole programs: they never outlive their worker."""

import asyncio
import signal
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from relay.contract.connect import connect
from tests.consumers.making import append_events, make_stream, pending
from tests.consumers.test_isolate import until_gone
from tests.programs import Program, children_of, worker
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

HANDLERS = """
    import ctypes, os, structlog
    from consumers import Event, Worker

    worker = Worker(group="crm")

    @worker.on("unipile:message.new", concurrency=2, isolate="process")
    def handle(event: Event) -> None:
        structlog.get_logger().info("handled", event_id=event.id, pid=os.getpid())

    @worker.on("unipile:crashing", concurrency=1, isolate="process")
    def crash(event: Event) -> None:
        if event.attempt == 1:
            ctypes.string_at(0)
        structlog.get_logger().info("handled", event_id=event.id)

    @worker.on("unipile:hanging", concurrency=1, isolate="process")
    def hang(event: Event) -> None:
        structlog.get_logger().info("hangs", event_id=event.id)
        ctypes.PyDLL(None).pause()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a module of handlers, as a user has one."""
    (tmp_path / "handlers.py").write_text(textwrap.dedent(HANDLERS))
    return tmp_path


async def appended(server: Server, event_type: str) -> Redis:
    """Append one event of a type, and give the client."""
    store = connect(server.url, role="test")
    await append_events(store, [f"evt_{event_type}"], event_type)
    return store


async def until_said(program: Program, words: str) -> None:
    """Wait until a program, or one of its own, has said something."""
    await wait_until(
        lambda: words in program.output(), deadline_seconds=60, description=f"{words} is said"
    )


async def test_a_killed_worker_leaves_no_process_behind(
    directory: Path, start_server: Callable[..., Server]
) -> None:
    """Not one that is idle, and not one that hangs in native code and can notice nothing."""
    server = start_server("valkey", "none")
    store = await appended(server, "hanging")
    await append_events(store, ["evt_1"])
    with worker(directory, server.url, "handlers:worker") as program:
        await until_said(program, "hangs")
        await until_said(program, "handled")
        children = children_of(program.process.pid)
        program.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(program.process.wait)
        for child in children:
            await until_gone(child)
    await store.aclose()

    assert len(children) == 2


async def test_a_worker_that_is_asked_to_end_ends_its_processes(
    directory: Path, start_server: Callable[..., Server]
) -> None:
    """What hangs in one is killed after the grace period, and handed to the others."""
    server = start_server("valkey", "none")
    store = await appended(server, "hanging")
    options = {"RELAY_WORKER__GRACE_SECONDS": "0.2"}
    with worker(directory, server.url, "handlers:worker", **options) as program:
        await until_said(program, "hangs")
        children = children_of(program.process.pid)
        code = await asyncio.to_thread(program.terminate)
        held = await pending(store, make_stream("hanging"))
        for child in children:
            await until_gone(child)
    await store.aclose()

    assert code == 0
    assert list(held.values()) == ["@park"]
    assert len(children) == 1


async def test_a_process_that_crashes_is_a_failed_attempt_and_no_more(
    directory: Path, start_server: Callable[..., Server]
) -> None:
    """The event is tried again by the same worker, which says what happened."""
    server = start_server("valkey", "none")
    store = await appended(server, "crashing")
    with worker(directory, server.url, "handlers:worker") as program:
        await until_said(program, "handled")
        still_there = program.process.poll() is None
        said = program.output()
    await store.aclose()

    assert still_there
    assert "handler_process_died" in said
    assert '"exit_code": -11' in said
    assert '"event_id": "evt_crashing", "event": "handled"' in said
