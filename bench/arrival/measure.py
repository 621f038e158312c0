"""One pair, one rate: deliveries sent at fixed times, starts of handlers read, a line out."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench import wrk
from bench.arrival import starts
from bench.arrival.pairs import Pair
from bench.arrival.tables import CALM, FULL, THIRD
from bench.cpu import strangers_ns
from bench.deliveries import Deliveries, Shape, write
from bench.fixedrate import Order, send
from bench.lines import Line
from bench.openloop import Account
from bench.rounds import Method
from bench.statistic import percentile

# How long what is sent may take to be handled.
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_KEPT_SHARE = 0.99
_FIRST_GUESS_PER_SECOND = 40_000


@dataclass(frozen=True, slots=True)
class Load:
    """A rate.

    Args:
        name: What it is called.
        per_second: Events per second.
    """

    name: str
    per_second: float


def loads(full_per_second: float) -> list[Load]:
    """Give the rates at which is measured.

    Args:
        full_per_second: The capacity.
    """
    return [Load(CALM, 100.0), Load(THIRD, full_per_second / 3)]


def capacity(pair: Pair, method: Method) -> Line:
    """Send as fast as is answered, and say how many were handled per second until all were."""
    seconds, path = method.seconds, method.directory / "deliveries"
    before, began, strangers = starts.count(pair.starts), time.monotonic_ns(), strangers_ns()
    made = write(path, Shape(), _FIRST_GUESS_PER_SECOND * seconds)
    sent = wrk.send(
        pair.port,
        made.path,
        offset=0,
        seconds=seconds,
        connections=method.connections,
        core=method.cores.load,
    )
    times = [at for _, at in _handled(pair, made, before, sent.accepted)]
    others = max(0, strangers_ns() - strangers)
    return {
        "kind": "round",
        "contender": pair.name,
        "load": FULL,
        "handled": len(times),
        "events_per_second": round(len(times) / (max(times) - min(times))),
        "others_cpu_percent": round(100 * others / (time.monotonic_ns() - began)),
        "faults": ["the deliveries ran out"] if sent.wrapped else [],
    }


def reach(pair: Pair, load: Load, method: Method) -> Line:
    """Send at a rate, and say how long events took to their handler."""
    warm_up, count = (
        max(1, int(load.per_second * seconds))
        for seconds in (method.warm_up_seconds, method.seconds)
    )
    before = starts.count(pair.starts)
    made = write(method.directory / "deliveries", Shape(), warm_up + count)
    os.sync()
    order = Order(pair.port, made.path, 0, made.count, load.per_second, pair.stream)
    began, cpu, strangers = time.monotonic_ns(), pair.cpu_ns(), strangers_ns()
    account = send(order, method.connections, method.cores.load)
    seen = _handled(pair, made, before, made.count)
    used, others = pair.cpu_ns() - cpu, max(0, strangers_ns() - strangers)
    astray = astray_of(made.count, [number for number, _ in seen])
    took = [at - account.due(number) for number, at in seen if number >= warm_up]
    return {
        "contender": f"{pair.name}, {load.name}",
        "load": load.name,
        **marks(took),
        "wanted_per_second": account.wanted_per_second,
        "kept_per_second": account.kept_per_second,
        "late_p99_ms": account.late_p99_ms,
        "sent": account.sent,
        "astray": astray,
        "server_cpu_us": round(used / 1000 / made.count, 2),
        "others_cpu_percent": round(100 * others / (time.monotonic_ns() - began)),
        "faults": list(_faults(account, astray)),
    }


def astray_of(sent: int, handled: Sequence[int]) -> int:
    """Count events that were lost, and runs of a handler that were one too many.

    Args:
        sent: How many events there were.
        handled: The numbers of those whose handler started.
    """
    distinct = len(set(handled))
    return sent - distinct + len(handled) - distinct


def marks(took: Sequence[float]) -> Line:
    """Give the marks of so many seconds, in ms."""
    values = took or [0.0]
    named = {"p50_ms": 50.0, "p99_ms": 99.0, "p999_ms": 99.9}
    return {name: round(1000 * percentile(values, mark), 3) for name, mark in named.items()}


def _faults(account: Account, astray: int) -> Iterator[str]:
    if account.errors:
        yield f"{account.errors} events were not taken"
    if astray:
        yield f"{astray} events did not reach the handler exactly once"
    if account.kept_per_second < _KEPT_SHARE * account.wanted_per_second:
        yield (
            f"the sender kept {account.kept_per_second:,.0f} of "
            f"{account.wanted_per_second:,.0f} per second: its latencies mean little"
        )


def _handled(pair: Pair, made: Deliveries, before: int, wanted: int) -> list[tuple[int, float]]:
    """Give the starts for a file of deliveries, once there are enough or patience ends.

    Args:
        pair: Whose.
        made: The deliveries; what is still on its way of others is passed over.
        before: How many starts were written before.
        wanted: How many there should be; what lacks is counted.
    """
    deadline, like = time.monotonic() + _PATIENCE_SECONDS, made.event_id(0).decode()
    while True:
        enough = starts.count(pair.starts) - before >= wanted
        is_late = time.monotonic() > deadline
        if enough or is_late:
            found = starts.read(pair.starts, before, like)
            if len(found) >= wanted or is_late:
                return found
        time.sleep(_LOOK_SECONDS)
