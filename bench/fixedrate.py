"""Runs the open-loop sender as a process of its own: an order in, its account out."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.failures import SenderFailed
from bench.openloop import Account
from bench.processes import environment
from bench.tools import path_of


@dataclass(frozen=True, slots=True)
class Order:
    """What to send.

    Args:
        port: To whom, on loopback.
        path: A file of deliveries.
        offset: From which one on.
        count: How many.
        per_second: How fast.
        stream: Where set, their events are appended to it, and the port is a store's.
    """

    port: int
    path: Path
    offset: int
    count: int
    per_second: float
    stream: str = ""


def send(order: Order, connections: int, core: int) -> Account:
    """Send all of an order at its rate.

    Args:
        order: What to send.
        connections: Over how many.
        core: Where the sender runs.

    Raises:
        SenderFailed: It ended without giving account.
    """
    pinned = [path_of("taskset"), "--cpu-list", str(core), sys.executable, "-m"]
    given = {
        "port": order.port,
        "file": order.path,
        "offset": order.offset,
        "count": order.count,
        "rate": order.per_second,
        "connections": connections,
    }
    if order.stream:
        given["stream"] = order.stream
    options = [f"--{name}={value}" for name, value in given.items()]
    done = subprocess.run(
        [*pinned, "bench.openloop", *options],
        capture_output=True,
        text=True,
        timeout=order.count / order.per_second + 60,
        env=environment(),
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    if done.returncode:
        raise SenderFailed(f"the open-loop sender ended with:\n{done.stderr[-2000:]}")
    return Account(**json.loads(done.stdout))
