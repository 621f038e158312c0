"""One contender's turn: backlog in place, worker started, all handled, nothing left; a line out."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bench.consume.ask import Ask
from bench.consume.backlog import Backlogs, program_variables
from bench.consume.steady import steady
from bench.consume.workers import Contender, Worker
from bench.cpu import cpu_ns, strangers_ns
from bench.lines import Line
from bench.machine import Cores
from bench.processes import Program, running
from bench.residence import peak_bytes
from bench.store import Store

# How long what is handled may take to be settled.
_SETTLE_SECONDS = 10.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Ground:
    """Where turns are taken.

    Args:
        store: The one store, emptied before each.
        backlogs: What goes into it.
        directory: For logs and reports.
        cores: Who runs where.
    """

    store: Store
    backlogs: Backlogs
    directory: Path
    cores: Cores


def take(contender: Contender, events: int, ground: Ground) -> Line:
    """Let a contender handle a backlog, and say what came of it.

    Raises:
        ProgramFailed: It ended, or did not come to the end in time.
    """
    ground.backlogs.put(contender, events)
    os.sync()  # what was written for the backlog must not be waited for in the worker's time
    report = ground.directory / "report.json"
    report.unlink(missing_ok=True)
    ask = Ask(
        url=ground.store.url,
        events=events,
        handler=contender.handler,
        settings=dict(contender.settings),
        program=contender.worker.name,
        report=str(report),
    )
    variables = ask.variables() | program_variables() | {"REDIS_URL": ground.store.url}
    name, cores = f"worker-{contender.worker.program}", ground.cores.servers
    began, store_pid = time.monotonic_ns(), ground.store.program.pid
    strangers, store_ns = strangers_ns(), cpu_ns(store_pid)
    words = contender.worker.words
    with running(name, words, ground.directory, cores, variables) as program:
        program.wait_for(report.exists, f"that {contender.name} has handled {events} events")
        others_ns = max(0, strangers_ns() - strangers)
        line = {
            "redis_cpu_us": round((cpu_ns(store_pid) - store_ns) / 1000 / events, 2),
            "others_cpu_percent": round(100 * others_ns / (time.monotonic_ns() - began)),
            "server_peak_mib": round(peak_bytes(program.pid) / 2**20, 1),
        }
        left = _left_at_last(contender.worker, ground.store, program)
    said = json.loads(report.read_text("utf-8"))
    return (
        _line(contender, events, said)
        | line
        | {"left": left, "faults": faults_of(events, said, left)}
    )


def _line(contender: Contender, events: int, said: Line) -> Line:
    seen = steady(said["marks"])
    return {
        "kind": "round",
        "worker": f"{contender.handler}: {contender.name}",
        "contender": contender.name,
        "handler": contender.handler,
        "settings": dict(contender.settings),
        "seconds": seen.seconds,
        "filled": events,
        "handled": said["handled"],
        "distinct": said["distinct"],
        "events_per_second": seen.per_second,
        "server_cpu_us": round(seen.cpu_us, 2),
    }


def faults_of(events: int, said: Line, left: int) -> list[str]:
    """Say what was not done.

    Args:
        events: How many there were.
        said: What the worker reported.
        left: How many it did not settle.
    """
    faults = []
    if said["distinct"] != events:
        faults.append(f"{events} filled, {said['distinct']} different ones among those handled")
    if left:
        faults.append(f"{left} not settled {_SETTLE_SECONDS:.0f} s after the last was handled")
    return faults


def _left_at_last(worker: Worker, store: Store, program: Program) -> int:
    """Wait until nothing is left, and say what is."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (left := left_in(store, worker)) and time.monotonic() < deadline:
        if program.process.poll() is not None:
            break
        time.sleep(_LOOK_SECONDS)
    return left


def left_in(store: Store, worker: Worker) -> int:
    """Count what a worker has yet to read, or has read and not settled."""
    left, client = 0, store.client
    for stream, group in worker.groups.items():
        if not client.exists(stream):
            continue  # some remove it with its last entry
        found: Any = client.xinfo_groups(stream)
        (seen,) = (one for one in found if one["name"] == group.encode())
        behind: Any = client.xrange(stream, min=b"(" + seen["last-delivered-id"], count=1)
        left += seen["pending"] + len(behind)
    for key in worker.keys:
        left += _length(store, key)
    return left


def _length(store: Store, key: str) -> int:
    client = store.client
    counted: Any = {b"list": client.llen, b"zset": client.zcard}.get(cast("Any", client.type(key)))
    return int(counted(key)) if counted else 0
