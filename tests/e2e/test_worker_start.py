"""What a worker process does whose resources fail, or hang, and what its handlers log."""

import json
import signal
import textwrap
from pathlib import Path

import pytest

from relay.contract.connect import connect
from tests.consumers.making import append_events
from tests.programs import STOP_SECONDS, end, start, worker
from tests.servers import NAMES, Server, free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

FAILING = """
    from consumers import Event, Worker

    worker = Worker(group="crm")

    @worker.resource
    def config():
        print("config opened", flush=True)
        yield "config"
        print("config closed", flush=True)

    @worker.resource
    async def pool(config):
        raise ConnectionRefusedError("no database at postgres://me:canary-in-message-e2f4@db/")

    @worker.on("unipile:*")
    async def handle(event: Event, pool: object) -> None:
        pass
"""
HANGING = """
    import threading
    from consumers import Event, Worker

    worker = Worker(group="crm")

    @worker.resource
    def pool():
        print("opening", flush=True)
        threading.Event().wait()

    @worker.on("unipile:*")
    async def handle(event: Event, pool: object) -> None:
        pass
"""
LOGGING = """
    import structlog
    from consumers import Event, Worker

    worker = Worker(group="crm")

    @worker.on("unipile:*")
    async def handle(event: Event) -> None:
        structlog.get_logger("theirs").info("stored", rows=2)
"""


# Of the server nothing is asked but that events come from it.
on_one_server = pytest.mark.parametrize("own_server", NAMES[:1], indirect=True)


def url() -> str:
    """Name a store that is not there: nothing is read before the resources are open."""
    return f"redis://127.0.0.1:{free_port()}/0"


def test_a_resource_that_fails_ends_the_process_with_its_reason(tmp_path: Path) -> None:
    """Message and place of the error, no password, and an exit code that says so."""
    (tmp_path / "handlers.py").write_text(textwrap.dedent(FAILING))
    with worker(tmp_path, url(), "handlers:worker") as program:
        code = program.process.wait(60)
        said = program.output()

    assert code == 1
    assert "config opened\nconfig closed\n" in said
    assert "resource 'pool' failed at start: ConnectionRefusedError: no database at" in said
    assert "handlers.py:14)" in said
    assert "secret" not in said
    assert "Traceback" not in said


def test_a_resource_that_fails_in_every_process_is_said_by_the_first(tmp_path: Path) -> None:
    """A parent begins with one process, and goes on when that has opened everything."""
    (tmp_path / "handlers.py").write_text(textwrap.dedent(FAILING))
    program = start(
        ["-m", "relay", "worker", "handlers:worker", "--processes", "2"],
        tmp_path,
        "parent",
        REDIS_URL=url(),
    )
    try:
        code = program.process.wait(60)
        said = program.output()
    finally:
        end(program)

    assert code == 1
    assert said.count("resource 'pool' failed at start") == 1


async def test_a_resource_that_hangs_does_not_keep_the_process_from_its_end(
    tmp_path: Path,
) -> None:
    """Not even the thread in which it does."""
    (tmp_path / "handlers.py").write_text(textwrap.dedent(HANGING))
    with worker(tmp_path, url(), "handlers:worker") as program:
        await wait_until(
            lambda: "opening" in program.output(), deadline_seconds=60, description="it hangs"
        )

        assert program.terminate() == 0


@on_one_server
@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["alone", "with a parent"])
async def test_a_worker_whose_terminal_is_closed_ends_in_order(
    tmp_path: Path, own_server: Server, options: tuple[str, ...]
) -> None:
    """It hands back what it holds, as on any other signal."""
    (tmp_path / "handlers.py").write_text(textwrap.dedent(LOGGING))
    with worker(tmp_path, own_server.url, "handlers:worker", *options) as program:
        await wait_until(
            lambda: "worker_started" in program.output(),
            deadline_seconds=60,
            description="it works",
        )
        program.process.send_signal(signal.SIGHUP)

        assert program.process.wait(STOP_SECONDS) == 0
        assert "worker_stopped" in program.output()


@on_one_server
async def test_what_a_handler_logs_names_its_event(tmp_path: Path, own_server: Server) -> None:
    """Without its having to say so."""
    (tmp_path / "handlers.py").write_text(textwrap.dedent(LOGGING))
    store = connect(own_server.url, role="test")
    await append_events(store, ["evt_1"])
    with worker(tmp_path, own_server.url, "handlers:worker") as program:
        await wait_until(
            lambda: "stored" in program.output(), deadline_seconds=60, description="it logs"
        )
        lines = [line for line in program.output().splitlines() if '"stored"' in line]
    await store.aclose()

    assert (
        json.loads(lines[0]).items()
        >= {
            "event_id": "evt_1",
            "event_type": "message.new",
            "attempt": 1,
            "rows": 2,
        }.items()
    )
