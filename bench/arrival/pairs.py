"""Starts the two pairs, each with a store of its own; says where to send and where starts are."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contenders.launch import Place
from bench.cpu import cpu_ns
from bench.gateway import gateway
from bench.processes import running
from bench.store import Store

RELAY, BARE = "relay", "bare pair"
_ROOT = Path(__file__).parent.parent.parent
_STREAM, _GROUP = "events", "bench"
_PROGRAMS = "bench.arrival.programs"


@dataclass(frozen=True, slots=True)
class Pair:
    """One that takes events and hands them to a handler.

    Args:
        name: What it is called.
        port: Where events are sent to, on loopback.
        stream: Where they are appended, if the port is the store's.
        starts: The file of its handler's starts.
        pids: Its processes, without the store.
        store: Where its events lie.
    """

    name: str
    port: int
    stream: str
    starts: Path
    pids: tuple[int, ...]
    store: Store

    def cpu_ns(self) -> int:
        """Give the CPU time of its processes so far."""
        return sum(cpu_ns(pid) for pid in self.pids)


Launch = Callable[[Place], AbstractContextManager[Pair]]


@contextmanager
def relay(place: Place) -> Iterator[Pair]:
    """Have ``relay serve`` and ``relay worker`` within the block."""
    own = place.own(RELAY)
    starts, command = own / "starts", str(Path(sys.executable).parent / "relay")
    words = [command, "worker", f"{_PROGRAMS}.relay:worker"]
    with place.store(RELAY) as redis, gateway(own, redis.port) as serve:
        variables = _variables(starts) | {"REDIS_URL": redis.url}
        with running("worker", words, own, (), variables) as worker:
            worker.wait_for(starts.exists, "that it starts")
            yield Pair(RELAY, serve.port, "", starts, (serve.pid, worker.pid), redis)


@contextmanager
def bare(place: Place) -> Iterator[Pair]:
    """Have the reader of the bare pair within the block; its other half is the sender itself."""
    own = place.own(BARE)
    starts = own / "starts"
    with place.store(BARE) as redis:
        redis.client.xgroup_create(_STREAM, _GROUP, id="0", mkstream=True)
        words = [sys.executable, "-m", f"{_PROGRAMS}.bare", redis.url, _STREAM, _GROUP]
        with running("reader", words, own, (), _variables(starts)) as reader:
            reader.wait_for(starts.exists, "that it starts")
            yield Pair(BARE, redis.port, _STREAM, starts, (reader.pid,), redis)


def _variables(starts: Path) -> dict[str, str]:
    paths = {"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return paths | {"BENCH_STARTS": str(starts)}
