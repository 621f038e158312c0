"""Lines of rounds in; tables and bars of the way from POST to handler out."""

from collections.abc import Sequence

from bench.arrival.pairs import BARE, RELAY
from bench.lines import Line, figures, of_kind
from bench.report import Bar, conditions, medians, ratios
from bench.table import Table

COLUMNS = ("p99_ms", "p50_ms", "p999_ms", "server_cpu_us", "late_p99_ms")
PANELS = ("p50_ms", "p99_ms")
CALM, THIRD = "100/s", "a third of capacity"
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


def tables(header: Line, kept: Sequence[Line]) -> list[Table]:
    """Give the tables of this benchmark.

    Args:
        header: What it was measured on.
        kept: All lines.
    """
    rounds = of_kind(kept, "round")
    return [
        conditions(header, rounds),
        _rates(kept, rounds),
        medians(rounds, COLUMNS),
        ratios(rounds, BARS),
    ]


def _rates(kept: Sequence[Line], rounds: Sequence[Line]) -> Table:
    (found,) = figures(kept, "events_per_second", kind="capacity")
    third = figures(rounds, "wanted_per_second", load=THIRD)
    rows = [
        ("capacity of gateway and worker, closed loop", f"{found:,.0f}/s"),
        ("a third of it", f"{third[0]:,.0f}/s"),
        ("events sent", f"{sum(figures(rounds, 'sent')):,.0f}"),
        ("not handled, or not once", f"{sum(figures(rounds, 'astray')):,.0f}"),
    ]
    return Table("Rate", ("", ""), rows)
