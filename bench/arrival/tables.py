"""Lines of rounds in; tables and bars of the way from POST to handler out."""

from collections.abc import Sequence

from bench.arrival.pairs import BARE, RELAY
from bench.lines import Line, figures
from bench.report import Bar, conditions, medians, ratios
from bench.statistic import spread
from bench.table import Table

COLUMNS = ("p99_ms", "p50_ms", "p999_ms", "server_cpu_us", "late_p99_ms")
PANELS = ("p50_ms", "p99_ms")
CALM, THIRD, FULL = "100/s", "a third of capacity", "as fast as it can"
_LIMIT = 3.0
BARS = tuple(
    Bar(
        f"relay / bare pair, {name} at {load}",
        f"{name}_ms",
        f"{RELAY}, {load}",
        f"{BARE}, {load}",
        "≤",
        _LIMIT,
    )
    for load in (CALM, THIRD)
    for name in ("p50", "p99")
)


def tables(header: Line, rounds: Sequence[Line]) -> list[Table]:
    """Give the tables of this benchmark."""
    fixed = at_fixed_rate(rounds)
    return [
        conditions(header, rounds),
        _rates(rounds, fixed),
        medians(fixed, COLUMNS),
        ratios(fixed, BARS),
    ]


def at_fixed_rate(rounds: Sequence[Line]) -> list[Line]:
    """Leave out the looks at the capacity."""
    return [line for line in rounds if line["load"] != FULL]


def _rates(rounds: Sequence[Line], fixed: Sequence[Line]) -> Table:
    capacity = spread(figures(rounds, "events_per_second", load=FULL)).median
    third = figures(fixed, "wanted_per_second", load=THIRD)
    rows = [
        ("capacity of gateway and worker, closed loop", f"{capacity:,.0f}/s"),
        ("a third of it", f"{third[0]:,.0f}/s"),
        ("events sent", f"{sum(figures(fixed, 'sent')):,.0f}"),
        ("not handled, or not once", f"{sum(figures(fixed, 'astray')):,.0f}"),
    ]
    return Table("Rate", ("", ""), rows)
