"""``make bench-ingress``: events per second and CPU per event of the relay and three others.

One interleaved run of all contenders; raw lines, a drawing and tables out. Exit code 1 where an
accepted event is lost or doubled, or where a whole run misses a bar.
"""

import sys
from collections.abc import Mapping, Sequence

from bench import lines, plot, report
from bench.conclude import conclude
from bench.contenders import launch
from bench.edge import exit_code_of
from bench.options import parse
from bench.rounds import Turn, run
from bench.stage import stage
from bench.table import Table
from bench.tools import FASTAPI, NGINX, require

LAUNCHES: Mapping[str, launch.Launch] = {
    "A": launch.bare,
    "B": launch.nginx,
    "C": launch.team,
    "D everysec": launch.relay("everysec"),
    "D always": launch.relay("always"),
}
COLUMNS = (
    "events_per_second",
    "p50_ms",
    "p99_ms",
    "server_cpu_us",
    "redis_cpu_us",
    "server_peak_mib",
    "redis_peak_mib",
)
PANELS = ("events_per_second", "server_cpu_us", "redis_cpu_us", "p99_ms")


def work() -> int:
    """Measure and report."""
    options = parse(__doc__ or "", rounds=7, seconds=3)
    require(NGINX if options.wants("B") else (), FASTAPI if options.wants("C") else ())
    wanted = {name: launched for name, launched in LAUNCHES.items() if options.wants(name)}
    with stage("ingress", options, wanted) as staged:
        turns = [Turn(contender) for contender in staged.contenders.values()]
        staged.faults += run(turns, staged.method, staged.keep)
    header, rounds = lines.read_rounds(staged.path)
    drawing = plot.draw("Ingress", header, rounds, PANELS)
    return conclude(staged, drawing, tables(header, rounds), rounds, report.INGRESS_BARS)


def tables(header: lines.Line, rounds: Sequence[lines.Line]) -> list[Table]:
    """Give the tables of this benchmark."""
    return [
        report.conditions(header, rounds),
        report.medians(rounds, COLUMNS),
        report.ratios(rounds, report.INGRESS_BARS),
    ]


if __name__ == "__main__":
    sys.exit(exit_code_of(work))
