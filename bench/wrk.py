"""The closed-loop sender: wrk, which sends the next delivery when one is answered.

A port and a file of deliveries in, what was answered out. It never sends one delivery twice,
unless the file runs out, and then says so.

Source: https://github.com/wg/wrk, SCRIPTING
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.failures import SenderFailed
from bench.processes import environment
from bench.tools import path_of

_MARK = "RESULT "


@dataclass(frozen=True, slots=True)
class Answers:
    """What a sender was told.

    Args:
        calls: How many deliveries it took from the file; one is not sent, some have no answer
            yet when time is up.
        wrapped: How often it began the file anew.
        answers: How many were answered, whatever the status.
        refused: How many of the answers had a status of 400 or more.
        broken: Connections that failed, and answers that took over two seconds.
        duration_us: How long it sent.
        p50_us: Half of the answers took at most this.
        p99_us: 99 of 100.
        p999_us: 999 of 1000.
    """

    calls: int
    wrapped: int
    answers: int
    refused: int
    broken: int
    duration_us: int
    p50_us: int
    p99_us: int
    p999_us: int

    @property
    def accepted(self) -> int:
        """How many were answered 2xx."""
        return self.answers - self.refused

    @property
    def events_per_second(self) -> float:
        """Answers 2xx per second."""
        return 1_000_000 * self.accepted / self.duration_us


def send(
    port: int, path: Path, *, offset: int, seconds: int, connections: int, core: int
) -> Answers:
    """Send for some seconds, one thread, all connections kept alive.

    Args:
        port: Where the server listens on loopback.
        path: A file of deliveries.
        offset: How many of them were sent before.
        seconds: How long, 1 or more.
        connections: How many at once.
        core: Where wrk runs.

    Raises:
        SenderFailed: wrk says nothing that can be read.
    """
    script = Path(__file__).parent / "send.lua"
    pinned = [path_of("taskset"), "--cpu-list", str(core), path_of("wrk")]
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    target = [f"http://127.0.0.1:{port}/", "--", str(path), str(offset)]
    done = subprocess.run(
        [*pinned, *options, *target],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        env=environment(),
        check=False,
    )
    return read_answers(done.stdout, done.stderr)


def read_answers(printed: str, complaint: str = "") -> Answers:
    """Read what the script printed at its end.

    Raises:
        SenderFailed: It did not print that.
    """
    for line in printed.splitlines():
        if line.startswith(_MARK):
            return Answers(**json.loads(line.removeprefix(_MARK)))
    raise SenderFailed(f"wrk did not come to its end:\n{printed[-1000:]}{complaint[-1000:]}")
