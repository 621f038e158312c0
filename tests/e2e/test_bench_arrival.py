"""From POST to handler, for real but short: every event arrives once, and its time is counted."""

import os
from pathlib import Path

import pytest

from bench.arrival import pairs
from bench.arrival.measure import Load, reach
from bench.contenders.launch import Place
from bench.machine import Cores
from bench.rounds import Method
from tests.servers import find_binary

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc"),
    pytest.mark.skipif(find_binary("redis") is None, reason="needs redis-server"),
]


@pytest.mark.parametrize("launch", [pairs.relay, pairs.bare], ids=lambda launch: launch.__name__)
def test_every_event_reaches_its_handler_once(launch: pairs.Launch, tmp_path: Path) -> None:
    """Through gateway and worker, and past the gateway; twice, with other events each time."""
    core = min(os.sched_getaffinity(0))
    place = Place(tmp_path, Cores((core,), core))
    method = Method(
        rounds=1,
        seconds=1,
        warm_up_seconds=1,
        connections=4,
        cores=place.cores,
        directory=tmp_path,
    )
    with launch(place) as pair:
        lines = [reach(pair, Load("some", 50.0), method) for _ in range(2)]

    assert [(line["sent"], line["astray"]) for line in lines] == [(100, 0)] * 2
    assert all(0 < line["p50_ms"] <= line["p99_ms"] for line in lines)
