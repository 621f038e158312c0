"""Worker processes under one parent answer with their sum, which never falls."""

import json
import os
import signal
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest

from consumers.metrics.families import WORKER
from consumers.processes import kept
from consumers.processes.kept import KeptWorker, Wanted
from relay.contract.tally import text
from relay.supervise.line import Lines
from tests.canaries import IN_MESSAGE
from tests.conftest import StartServer
from tests.consumers.making import append_events, numbered
from tests.consumers.metrics.counting import samples_of
from tests.e2e.test_crash_worker import client_of
from tests.programs import children_of, worker
from tests.servers import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

HANDLERS = f"""
    from consumers import Event, Retry, Worker

    worker = Worker(group="crm")

    @worker.on("unipile:*", retry=Retry(attempts=1))
    async def handle(event: Event) -> None:
        if event.id == "evt_0":
            raise ValueError("{IN_MESSAGE}", event.data)
"""
HANDLED = 'handled_total{endpoint="unipile",handler="handle"}'
DEAD = 'dead_lettered_total{endpoint="unipile",handler="handle",reason="attempts_spent"}'


def metrics(port: int) -> dict[str, float]:
    """Give what is not zero; nothing where nobody answers yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            return samples_of(page.read().decode())
    except OSError:
        return {}


async def until_counted(port: int, wanted: dict[str, float]) -> dict[str, float]:
    """Wait until the sum is so; give all of it."""

    def is_so() -> bool:
        found = metrics(port)
        return all(found.get(name) == value for name, value in wanted.items())

    await wait_until(is_so, deadline_seconds=60, description=f"counted: {wanted}")
    return metrics(port)


async def test_the_sum_of_all_processes_never_falls(
    tmp_path: Path, start_server: StartServer
) -> None:
    """Not when one is killed, nor when all are ended in order; each line says whose it is."""
    (tmp_path / "handlers.py").write_text(textwrap.dedent(HANDLERS))
    server, port = start_server("valkey", "none"), free_port()
    options = ("--processes=2", f"--admin-port={port}", "--log-level=debug")
    async with client_of(server) as store:
        await append_events(store, numbered(20))
        with worker(tmp_path, server.url, "handlers:worker", *options) as program:
            await until_counted(port, {HANDLED: 19, DEAD: 1, "processes": 2})
            # Being asked, both have told all that they had counted.
            for pid in children_of(program.process.pid):
                os.kill(pid, signal.SIGKILL)
            least = await until_counted(port, {"process_restarts_total": 2, "processes": 2})
            await append_events(store, numbered(10, "more"))
            await until_counted(port, {HANDLED: 29, DEAD: 1})
            assert program.terminate() == 0

    lines = [json.loads(line) for line in program.log.read_text().splitlines()]
    said = [line["event_id"] for line in lines if line["event"] == "event_handled"]
    assert least[HANDLED] == 19
    assert sorted(said) == sorted([*numbered(20)[1:], *numbered(10, "more")])


HANGING = """
    import asyncio, os, pathlib, threading
    from consumers import Event, Worker

    worker = Worker(group="crm")
    book = os.open("ran.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event: Event) -> None:
        os.write(book, f"{event.id}\\n".encode())

    @worker.on("unipile:message.new")
    async def handle(event: Event) -> None:
        print("printed", event.id)
        note(event)

    @worker.on("unipile:thread")
    def hang(event: Event) -> None:
        note(event)
        threading.Event().wait()

    @worker.on("unipile:coroutine")
    async def swallow(event: Event) -> None:
        note(event)
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass

    @worker.on("unipile:fatal")
    async def end(event: Event) -> None:
        while not pathlib.Path("fail").exists():
            await asyncio.sleep(0.01)
        raise SystemExit
"""
# Tells nothing by itself before its end.
CHILD = """
import sys
from consumers.processes import child
child.TELL_SECONDS = 1000
sys.exit(child.main())
"""


@pytest.mark.parametrize("kind", ["thread", "coroutine"])
@pytest.mark.parametrize("told", [True, False], ids=["told to end", "failed"])
async def test_what_a_process_has_counted_is_not_left_behind_with_its_handlers(
    tmp_path: Path,
    start_server: StartServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    told: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Nor what they have printed; and one that failed is replaced, whatever of it goes on."""
    server, lines = start_server("valkey", "none"), Lines(WORKER)
    worker = impatient_worker(tmp_path, server.url, lines, monkeypatch)
    async with client_of(server) as store:
        await append_events(store, numbered(3))
        await append_events(store, ["hanging"], kind)
        await append_events(store, ["fatal"] * (not told), "fatal")
        await worker.start()
        ran = [*numbered(3), "hanging"]
        await wait_until(
            lambda: sorted((tmp_path / "ran.txt").read_text().split()) == sorted(ran),
            deadline_seconds=60,
            description="three are handled, one hangs",
        )
        if not told:
            (tmp_path / "fail").touch()
            await wait_until(
                lambda: worker.restarts > 0, deadline_seconds=60, description="it is replaced"
            )
        await worker.stop()
    found = samples_of(text(await lines.tally(), WORKER).decode())

    assert found[HANDLED] == 3
    assert capfd.readouterr().out.count("printed") == 3


def impatient_worker(
    directory: Path, url: str, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> KeptWorker:
    """Make a process that waits for no handler, and whose parent asks it for no counts."""
    (directory / "handlers.py").write_text(textwrap.dedent(HANGING))
    monkeypatch.chdir(directory)

    def command(_: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", CHILD, *arguments]

    monkeypatch.setattr(kept, "module_command", command)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    environ = {**os.environ, "REDIS_URL": url, "RELAY_WORKER__GRACE_SECONDS": "0.1"}
    wanted = Wanted(target="handlers:worker", environ=environ, grace_seconds=0.1)
    return KeptWorker("worker-1", wanted, lines)
