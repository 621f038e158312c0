"""``make bench-latency``: how long an answer takes at a rate that the relay keeps with ease.

First the capacity of D is measured, then A and D are sent a third of it at a fixed rate, in
turn. Latency counts from the intended send time. Exit code 1 where an event is lost or doubled,
an answer is not 200, the sender does not keep its rate, or a whole run misses a bar.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial

from bench import lines, plot, report, truth
from bench.conclude import conclude
from bench.contenders import launch
from bench.contenders.contender import Contender
from bench.cost import Meters
from bench.deliveries import Deliveries, Shape, write
from bench.edge import exit_code_of
from bench.fixedrate import Order, send
from bench.openloop import Account
from bench.options import parse
from bench.quiet import undisturbed
from bench.rounds import Method, Turn, run
from bench.stage import Stage, stage
from bench.statistic import spread
from bench.table import Table

LAUNCHES = {
    "A": launch.bare,
    "D everysec": launch.relay("everysec"),
    "D always": launch.relay("always"),
}
COLUMNS = ("p99_ms", "p50_ms", "p999_ms", "server_cpu_us", "redis_cpu_us", "late_p99_ms")
PANELS = ("p50_ms", "p99_ms", "p999_ms")
FIXED, CAPACITY = "fixed rate", "as fast as it can"
_CAPACITY_ROUNDS = 3
# Below this the sender's own delay would be the figure.
_KEPT_SHARE = 0.99


def work() -> int:
    """Measure and report."""
    options = parse(__doc__ or "", rounds=7, seconds=5)
    wanted = {
        name: launched
        for name, launched in LAUNCHES.items()
        if options.wants(name) or name == "D everysec"
    }
    with stage("latency", options, wanted) as staged:
        per_second = _capacity(staged) / 3
        for number in range(1, options.rounds + 1):
            for contender in staged.contenders.values():
                take = partial(_round, number, contender, staged, per_second)
                line = undisturbed(take, staged.keep, options.patience_seconds)
                staged.keep(line)
                staged.faults += (
                    f"round {number}, {contender.name}: {fault}" for fault in line["faults"]
                )
    header, rounds = lines.read_rounds(staged.path)
    fixed = _at_fixed_rate(rounds)
    title = f"Latency at {fixed[0]['wanted_per_second']:,.0f} deliveries per second"
    drawing = plot.draw(title, header, fixed, PANELS)
    return conclude(staged, drawing, tables(header, rounds), fixed, report.LATENCY_BARS)


def tables(header: lines.Line, rounds: Sequence[lines.Line]) -> list[Table]:
    """Give the tables of this benchmark."""
    fixed = _at_fixed_rate(rounds)
    return [
        report.conditions(header, rounds),
        _rates(rounds, fixed),
        report.medians(fixed, COLUMNS),
        report.ratios(fixed, report.LATENCY_BARS),
    ]


def _at_fixed_rate(rounds: Sequence[lines.Line]) -> list[lines.Line]:
    return [line for line in rounds if line["load"] == FIXED]


def _rates(rounds: Sequence[lines.Line], fixed: Sequence[lines.Line]) -> Table:
    capacity = lines.figures(rounds, "events_per_second", load=CAPACITY)
    rows = [
        ("capacity of D everysec, closed loop", f"{spread(capacity).median:,.0f}/s"),
        ("rate asked for", f"{fixed[0]['wanted_per_second']:,.0f}/s"),
        ("rate kept, the worst round", f"{min(lines.figures(fixed, 'kept_per_second')):,.0f}/s"),
        ("deliveries sent", f"{sum(lines.figures(fixed, 'sent')):,.0f}"),
        ("not answered 200", f"{sum(lines.figures(fixed, 'errors')):,.0f}"),
    ]
    return Table("Rate", ("", ""), rows)


def _capacity(staged: Stage) -> float:
    """Measure how many events D takes in a second, by the median of some rounds."""
    turn = Turn(staged.contenders["D everysec"], load=CAPACITY)
    method = replace(staged.method, rounds=min(_CAPACITY_ROUNDS, staged.options.rounds))
    staged.faults += run([turn], method, staged.keep)
    _, measured = lines.read_rounds(staged.path)
    return spread(lines.figures(measured, "events_per_second", load=CAPACITY)).median


def _round(number: int, contender: Contender, staged: Stage, per_second: float) -> lines.Line:
    """Send at the rate to one contender, and say what came of it."""
    method = staged.method
    if contender.store:
        contender.store.empty()
    warm_up, count = (
        int(per_second * seconds) for seconds in (method.warm_up_seconds, method.seconds)
    )
    made = write(method.directory / "deliveries", Shape(), warm_up + count)
    os.sync()
    before = _sent(contender, made, method, (0, warm_up), per_second)
    meters = Meters(contender)
    account = _sent(contender, made, method, (warm_up, count), per_second)
    cost = meters.read()
    unanswered = before.errors + account.errors
    found = truth.look(made.distinct(made.count), unanswered, contender.event_ids())
    made.path.unlink()
    faults = [*_faults(account), *(found.faults() if contender.store else [])]
    if not staged.options.quick:
        faults += _lateness(account)
    line = {
        "kind": "round",
        "round": number,
        "contender": contender.name,
        "load": FIXED,
        **asdict(account),
        "server_cpu_us": cost.server.us_per(account.answered),
        "others_cpu_percent": cost.others_percent,
    }
    if cost.store:
        line |= {
            "redis_cpu_us": cost.store.us_per(account.answered),
            "entries": found.entries,
            "distinct": found.distinct,
        }
    return line | {"faults": faults}


def _faults(account: Account) -> Iterator[str]:
    if account.errors:
        yield f"{account.errors} deliveries were not answered 200"


def _lateness(account: Account) -> Iterator[str]:
    if account.kept_per_second < _KEPT_SHARE * account.wanted_per_second:
        yield (
            f"the sender kept {account.kept_per_second:,.0f} of "
            f"{account.wanted_per_second:,.0f} per second: its latencies mean little"
        )


def _sent(
    contender: Contender,
    made: Deliveries,
    method: Method,
    part: tuple[int, int],
    per_second: float,
) -> Account:
    """Send a part of the deliveries: from which one on, and how many."""
    offset, count = part
    order = Order(contender.port, made.path, offset, count, per_second)
    return send(order, method.connections, method.cores.load)


if __name__ == "__main__":
    sys.exit(exit_code_of(work))
