"""The comparison of workers, for real but short: backlogs, runs, and what it says was left."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.consume.backlog import Backlogs
from bench.consume.turn import Ground, left_in, take
from bench.consume.workers import BARE, RELAY, Contender, Worker
from bench.machine import Cores
from bench.store import store
from tests.servers import find_binary

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc"),
    pytest.mark.skipif(find_binary("redis") is None, reason="needs redis-server"),
]

EVENTS = 300


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Have a store to take turns in, with workers that have one core to themselves."""
    core = min(os.sched_getaffinity(0))
    directory = tmp_path_factory.mktemp("consume")
    with store(directory, {}) as redis:
        yield Ground(redis, Backlogs(redis, directory), directory, Cores((core,), core))


@pytest.mark.parametrize("worker", [RELAY, BARE], ids=lambda worker: worker.name)
def test_all_of_a_backlog_is_handled_and_settled(worker: Worker, ground: Ground) -> None:
    """Once with a backlog that is made, once with the same put back."""
    contender = Contender(worker, "defaults", "no-op", {})
    lines = [take(contender, EVENTS, ground) for _ in range(2)]

    assert [line["faults"] for line in lines] == [[], []]
    assert [(line["distinct"], line["left"]) for line in lines] == [(EVENTS, 0)] * 2
    assert all(line["events_per_second"] > 0 and line["server_cpu_us"] > 0 for line in lines)


def test_events_that_are_not_settled_are_a_fault(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is fast because it leaves out a part of the work is found out."""
    monkeypatch.setattr("bench.consume.turn._SETTLE_SECONDS", 0.1)
    code = (
        "import runpy, redis.asyncio as r\n"
        "async def none(*_): pass\n"
        "r.Redis.xack = none\n"
        "runpy.run_module('bench.consume.programs.bare', run_name='__main__')\n"
    )
    worker = replace(BARE, command=(sys.executable, "-c", code, "work"))
    line = take(Contender(worker, "careless", "no-op", {}), EVENTS, ground)

    assert (line["distinct"], line["left"]) == (EVENTS, EVENTS)
    assert len(line["faults"]) == 1


def test_what_is_unread_pending_or_queued_is_left(ground: Ground) -> None:
    """Wherever a worker keeps it; a stream that is gone has nothing."""
    client = ground.store.client
    client.flushall()
    client.xgroup_create("s", "g", id="0", mkstream=True)
    for _ in range(3):
        client.xadd("s", {"a": 1})
    client.xreadgroup("g", "me", {"s": ">"}, count=2)
    client.rpush("l", 1, 2)
    client.zadd("z", {"a": 1})
    worker = Worker(name="w", program="", groups={"s": "g", "gone": "g"}, keys=("l", "z", "none"))

    assert left_in(ground.store, worker) == 2 + 1 + 2 + 1
