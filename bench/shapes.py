"""``make bench-shapes``: other bodies, repeated deliveries, many endpoints, two processes.

Short interleaved rounds of the relay, and of the bare server where the shape means something to
it. Exit code 1 where an event is lost or doubled.
"""

import sys
from collections.abc import Mapping, Sequence

from bench import lines, plot, report
from bench.conclude import conclude
from bench.contenders import launch
from bench.contenders.contender import Contender
from bench.deliveries import Shape
from bench.edge import exit_code_of
from bench.options import parse
from bench.rounds import Turn, run
from bench.stage import stage
from bench.table import Table

A, D, D_ENDPOINTS, D_PROCESSES = "A", "D everysec", "D 50 endpoints", "D 2 processes"
COLUMNS = (
    "events_per_second",
    "p50_ms",
    "p99_ms",
    "server_cpu_us",
    "redis_cpu_us",
    "server_peak_mib",
)
PANELS = ("events_per_second", "server_cpu_us")
# Name of the load -> what is sent, and to whom.
LOADS: Mapping[str, tuple[Shape, tuple[str, ...]]] = {
    "0.7 KB": (Shape(), (A, D)),
    "0.5 KiB": (Shape(body_bytes=512), (A, D)),
    "4 KiB": (Shape(body_bytes=4 * 1024), (A, D)),
    "64 KiB": (Shape(body_bytes=64 * 1024), (A, D)),
    "5 % repeated": (Shape(duplicate_share=0.05), (D,)),
    "50 % repeated": (Shape(duplicate_share=0.5), (D,)),
    "50 endpoints": (Shape(endpoints=50), (D_ENDPOINTS,)),
    "2 processes": (Shape(), (D_PROCESSES,)),
}


def work() -> int:
    """Measure and report."""
    options = parse(__doc__ or "", rounds=5, seconds=2)
    launches = {
        A: launch.bare,
        D: launch.relay(),
        D_ENDPOINTS: launch.relay(endpoints=50, name=D_ENDPOINTS),
        D_PROCESSES: launch.relay(processes=2, name=D_PROCESSES),
    }
    wanted = {name: launched for name, launched in launches.items() if options.wants(name)}
    with stage("shapes", options, wanted, server_cores=2) as staged:
        staged.faults += run(turns(staged.contenders), staged.method, staged.keep)
        if D_PROCESSES in staged.contenders and len(staged.cores.servers) < 2:
            print("Two processes shared one core: that says what a second one costs, not brings.")
    header, rounds = lines.read_rounds(staged.path)
    drawing = plot.draw("Shapes of load", header, rounds, PANELS, by="load")
    return conclude(staged, drawing, tables(header, rounds))


def turns(contenders: Mapping[str, Contender]) -> list[Turn]:
    """Give every load with each contender that it is for and that runs."""
    return [
        Turn(contenders[name], shape, f"{load}, {name.partition(' ')[0]}")
        for load, (shape, names) in LOADS.items()
        for name in names
        if name in contenders
    ]


def tables(header: lines.Line, rounds: Sequence[lines.Line]) -> list[Table]:
    """Give the tables of this benchmark."""
    return [report.conditions(header, rounds), report.medians(rounds, COLUMNS, by="load")]


if __name__ == "__main__":
    sys.exit(exit_code_of(work))
