"""Worker processes under one parent answer with their sum, which never falls."""

import json
import os
import signal
import textwrap
import urllib.request
from pathlib import Path

import pytest

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

    await wait_until(is_so, deadline_seconds=30, description=f"counted: {wanted}")
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
