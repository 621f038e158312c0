"""``make bench-ingress``: events per second and CPU per event of the relay and three others.

One interleaved run of all contenders; raw lines, a drawing and tables out. Exit code 1 where an
accepted event is lost or doubled, or where a whole run misses a bar.
"""

from collections.abc import Mapping, Sequence

from bench import lines, plot, report
from bench.contenders import launch
from bench.options import Options, parse
from bench.rounds import Turn, run
from bench.stage import Stage, main, stage
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
    return concluded(staged, options)


def concluded(staged: Stage, options: Options) -> int:
    """Print the tables, draw the drawing, and say how it ended."""
    header, rounds = lines.read(staged.path)
    drawing = staged.path.with_suffix(".svg")
    drawing.write_text(plot.draw("Ingress", header, rounds, PANELS), "utf-8")
    for table in tables(header, rounds):
        print(f"\n{table.text()}")
    print(f"\nRaw lines: {staged.path}, drawing: {drawing}")
    missed = [bar.what for bar in report.INGRESS_BARS if not bar.holds(rounds)]
    return verdict(staged.faults, missed, options)


def tables(header: lines.Line, rounds: Sequence[lines.Line]) -> list[Table]:
    """Give the tables of this benchmark."""
    return [
        report.conditions(header, rounds),
        report.medians(rounds, COLUMNS),
        report.ratios(rounds, report.INGRESS_BARS),
    ]


def verdict(faults: Sequence[str], missed: Sequence[str], options: Options) -> int:
    """Say what failed, and give the exit code."""
    for fault in faults:
        print(f"FAULT: {fault}")
    if missed and options.is_whole:
        print(f"MISSED: {'; '.join(missed)}")
    return 1 if faults or (missed and options.is_whole) else 0


if __name__ == "__main__":
    main(work)
