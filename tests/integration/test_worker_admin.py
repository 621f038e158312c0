"""A worker answers who asks for its health and its counts, where it was given a port for that."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers import Event, Worker, heartbeat
from consumers.admin import answering
from consumers.app import WorkerProcess
from consumers.metrics import lag
from tests.consumers.making import GROUP, append_events, numbered, unless_uncounted
from tests.consumers.metrics.counting import samples_of
from tests.consumers.working import settings_for
from tests.integration.workers import Handled, settled
from tests.servers import Server, free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


class Admin:
    """A client of the pages.

    Args:
        port: Where they are.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    async def get(self, path: str) -> tuple[int, str]:
        """Give status and body of a page."""
        return await asyncio.to_thread(self._get, path)

    async def metrics(self) -> dict[str, float]:
        """Give what is not zero."""
        return samples_of((await self.get("/metrics"))[1])

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is looked at now and then be looked at often."""
    monkeypatch.setattr(lag, "FIRST_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(lag, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "TIMEOUT_SECONDS", 0.2)


@asynccontextmanager
async def answers(worker: Worker, url: str, **settings: Any) -> AsyncIterator[Admin]:
    """Have a worker that can be asked within the block."""
    found = settings_for(url, admin_port=free_port(), **settings)
    process, stop = WorkerProcess(worker, found), asyncio.Event()
    async with answering(found.worker, process):
        running = asyncio.create_task(process.run(stop))
        try:
            assert found.worker.admin_port is not None
            yield Admin(found.worker.admin_port)
        finally:
            stop.set()
            await running


async def test_a_worker_shows_what_it_has_done(store: Redis, server: Server) -> None:
    """Counts, gauges, and what was looked up in the store."""
    handled = Handled(Worker(group=GROUP))

    @handled.worker.on("unipile:message.new", concurrency=3)
    async def note(event: Event) -> None:
        handled.events.append(event)

    await append_events(store, numbered(5))
    async with answers(handled.worker, server.url) as admin:
        await handled.until(*numbered(5))
        await settled(store)

        async def shown() -> bool:
            return "dead_letters" in (await admin.get("/metrics"))[1]

        await wait_until(shown, description="what was looked up is shown")
        await wait_until_ready(admin)
        found = await admin.metrics()
        live, _ = await admin.get("/livez")

    handler = f'{{endpoint="unipile",handler="{note.__qualname__}"}}'
    assert found[f"handled_total{handler}"] == 5.0
    assert found[f"run_seconds_count{handler}"] == 5.0
    assert found[f"age_seconds_count{handler}"] == 5.0
    assert found[f'concurrency{{handler="{note.__qualname__}"}}'] == 3.0
    assert found["store_reachable"] == found["processes"] == 1.0
    assert f"unread{handler}" not in found
    assert live == 200


async def wait_until_ready(admin: Admin, *, ready: bool = True) -> None:
    """Wait until the worker says so."""

    async def is_so() -> bool:
        return (await admin.get("/readyz"))[0] == (200 if ready else 503)

    await wait_until(is_so, description=f"ready: {ready}")


async def test_what_handlers_are_busy_with_is_shown(store: Redis, server: Server) -> None:
    """What runs, and beside it what was read and waits."""
    worker, gate = Worker(group=GROUP), asyncio.Event()

    @worker.on("unipile:message.new", concurrency=2, read_ahead=1)
    async def hang(event: Event) -> None:
        await gate.wait()

    name = f'{{handler="{hang.__qualname__}"}}'
    await append_events(store, numbered(5))
    unread = await unless_uncounted(store, 2)
    async with answers(worker, server.url) as admin:

        async def is_busy() -> bool:
            found = await admin.metrics()
            of_unread = f'unread{{endpoint="unipile",handler="{hang.__qualname__}"}}'
            return (found.get(f"held{name}"), found.get(of_unread)) == (3.0, unread)

        await wait_until(is_busy, description="three are held")
        found = await admin.metrics()
        gate.set()

    assert found[f"running{name}"] == found[f"in_flight{name}"] == 2.0


async def test_a_worker_whose_store_is_away_lives_and_is_not_ready(own_server: Server) -> None:
    """Whoever ended it for that would only have it start again without a store."""
    worker = Worker(group=GROUP)

    @worker.on("unipile:*")
    async def handle(event: Event) -> None:
        """Do nothing."""

    async with answers(worker, own_server.url) as admin:
        await wait_until_ready(admin)
        own_server.kill()
        await wait_until_ready(admin, ready=False)
        live, _ = await admin.get("/livez")
        found = await admin.metrics()
        own_server.start()
        await wait_until_ready(admin)

    assert live == 200
    assert "store_reachable" not in found
    assert found["heartbeat_age_seconds"] > 0


async def test_a_worker_whose_heartbeat_has_ended_does_not_live(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others count it as dead, and run what it runs."""
    process = WorkerProcess(declared(), settings_for(server.url))
    before = process.is_live()
    monkeypatch.setattr(heartbeat.Heartbeat, "has_ended", property(lambda _: True))
    after = process.is_live()
    await process._disconnect()

    assert (before, after) == (True, False)


async def test_without_a_port_nobody_listens(server: Server) -> None:
    """Two workers on one machine must not fight for a default, and nothing is looked up."""
    process = WorkerProcess(declared(), settings_for(server.url))
    async with answering(settings_for(server.url).worker, process):
        watched = process._is_watched
    await process._disconnect()

    assert settings_for(server.url).worker.admin_port is None
    assert not watched


def declared() -> Worker:
    """Give a worker with a handler that does nothing."""
    worker = Worker(group=GROUP)

    @worker.on("unipile:*")
    async def handle(event: Event) -> None:
        """Do nothing."""

    return worker
