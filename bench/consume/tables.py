"""Lines of rounds in; the tables and the bars of ``make bench-consume`` out."""

from collections.abc import Sequence
from typing import Literal

from bench.consume.workers import BARE, DEFAULTS, LOOPS, PEERS, RELAY, Worker
from bench.lines import Line, figures, names
from bench.report import Bar, conditions, medians, ratios
from bench.statistic import spread
from bench.table import Table

COLUMNS = ("events_per_second", "server_cpu_us", "redis_cpu_us", "server_peak_mib")
PANELS = ("events_per_second", "server_cpu_us")
# The handler that the bars are about: one that parses the JSON and does no more.
JUDGED = "no-op"
_RATE, _CPU = "events_per_second", "server_cpu_us"
# What is reached for, beyond what must hold: so many times the bare loop that parses.
_GOAL = 1.5


def tables(header: Line, rounds: Sequence[Line]) -> list[Table]:
    """Give the tables of this benchmark."""
    judged = of_handler(rounds, JUDGED)
    by_handler = sorted(rounds, key=lambda line: str(line["handler"]) != JUDGED)
    return [
        conditions(header, rounds),
        medians(by_handler, COLUMNS, by="worker"),
        ratios(judged, bars(judged)),
        used(by_handler),
    ]


def swept(header: Line, found: Sequence[Line]) -> list[Table]:
    """Give the tables of a sweep.

    Args:
        header: What it was measured on.
        found: Its lines of what is best.
    """
    keys = ("worker", "handler", "variant")
    rows = [
        [*(line[key] for key in keys), told(line["settings"]), round(line["events_per_second"])]
        for line in found
    ]
    head = [*keys, "best settings", "events/s"]
    return [conditions(header, found), Table("Best settings", head, rows)]


def of_handler(rounds: Sequence[Line], handler: str) -> list[Line]:
    """Give the lines of one handler."""
    return [line for line in rounds if line["handler"] == handler]


def bars(judged: Sequence[Line]) -> list[Bar]:
    """Give what is compared, of workers that took part.

    Args:
        judged: Lines of one handler.
    """
    ours, defaults = best_of(judged, RELAY), f"{RELAY.name}, {DEFAULTS}"
    made = []
    for peer in PEERS:
        theirs, said = best_of(judged, peer), f"relay / {peer.name}"
        shipped = f"{peer.name}, {DEFAULTS}"
        made += [
            Bar(f"{said}, both at their defaults", _RATE, defaults, shipped, "≥", 12.0),
            Bar(f"{said}, each at its best", _RATE, ours, theirs, "≥", 5.0),
            Bar(f"{said} at its best, relay at its defaults", _RATE, defaults, theirs),
        ]
    for loop in LOOPS:
        side: Literal["≥"] | None = "≥" if loop == "json" else None
        bare, said = f"{BARE.name}, {loop}", f"relay / bare loop with {loop}"
        made += [
            Bar(f"{said}, relay at its best", _RATE, ours, bare, side, 0.8),
            Bar(f"{said}, relay at its defaults", _RATE, defaults, bare),
            Bar(f"{said}, CPU per event, relay at its best", _CPU, ours, bare),
        ]
    return made


def reached(judged: Sequence[Line]) -> str:
    """Say whether what is reached for is reached, where it was measured."""
    bare = f"{BARE.name}, json"
    ratio = Bar("", _RATE, best_of(judged, RELAY), bare).ratio(judged)
    if ratio is None:
        return ""
    said = "is reached" if ratio >= _GOAL else "is not reached"
    return f"{_GOAL} times the bare loop that parses {said}: {ratio:.2f}"


def best_of(lines: Sequence[Line], worker: Worker) -> str:
    """Name the fastest of a worker's contenders, defaults included, by the medians."""
    mine = [name for name in names(lines) if name.startswith(f"{worker.name}, ")]
    rates = {name: spread(figures(lines, _RATE, contender=name)).median for name in mine}
    return max(rates, key=lambda name: rates[name], default=worker.name)


def used(rounds: Sequence[Line]) -> Table:
    """Say with which settings each contender ran, and that it did all its work."""
    rows = []
    for name in names(rounds, "worker"):
        own = [line for line in rounds if line["worker"] == name]
        sums = [int(sum(figures(own, key))) for key in ("filled", "distinct", "left")]
        rows.append([name, told(own[-1]["settings"]), *sums])
    head = ["worker", "settings", "filled", "handled, each once", "left"]
    return Table("Settings and truth", head, rows)


def told(settings: Line) -> str:
    """Write settings for people."""
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "–"
