"""Raw lines in, tables and verdicts out. It measures nothing and keeps nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.lines import Line, figures, method_of, names
from bench.quiet import DISTURBED_PERCENT
from bench.statistic import spread
from bench.table import Table, number


@dataclass(frozen=True, slots=True)
class Bar:
    """A ratio of two contenders, and what the project holds itself to.

    Args:
        what: The ratio in words.
        key: The figure that is compared.
        above: Contender whose figure is divided,
        below: by this one's.
        side: Whether the ratio must be at least the limit or at most; none if it is only told.
        limit: The limit.
    """

    what: str
    key: str
    above: str
    below: str
    side: Literal["≥", "≤"] | None = None
    limit: float = 0.0

    def ratio(self, lines: Sequence[Line]) -> float | None:
        """Give the ratio of the medians; none where one of the two did not run."""
        above, below = (self._figures(lines, name) for name in (self.above, self.below))
        return spread(above).median / spread(below).median if above and below else None

    def by_round(self, lines: Sequence[Line]) -> list[float]:
        """Give the ratio within each round."""
        pairs = zip(self._figures(lines, self.above), self._figures(lines, self.below), strict=True)
        return [above / below for above, below in pairs]

    def holds(self, lines: Sequence[Line]) -> bool:
        """Tell whether the ratio of the medians is on the right side."""
        ratio = self.ratio(lines)
        if self.side is None or ratio is None:
            return True
        return ratio >= self.limit if self.side == "≥" else ratio <= self.limit

    def _figures(self, lines: Sequence[Line], contender: str) -> list[float]:
        return figures(lines, self.key, contender=contender)


_D, _RATE, _CPU = "D everysec", "events_per_second", "server_cpu_us"
INGRESS_BARS = (
    Bar("D / A, events/s", _RATE, _D, "A", "≥", 0.75),
    Bar("D / A, server CPU per event", _CPU, _D, "A", "≤", 1.15),
    Bar("D / B, events/s", _RATE, _D, "B"),
    Bar("D / B, server CPU per event", _CPU, _D, "B"),
    Bar("D / C, events/s", _RATE, _D, "C", "≥", 3.0),
    Bar("D always / D everysec, events/s", _RATE, "D always", _D, "≥", 0.75),
)
# What another sender's delivery costs; the rate follows from that, and from the sender's core.
SENDER_BARS = (
    Bar("stripe / unipile, server CPU per event", _CPU, "stripe", "unipile", "≤", 1.10),
    Bar("stripe / unipile, events/s", _RATE, "stripe", "unipile"),
    Bar(
        "standard-webhooks / unipile, server CPU per event",
        _CPU,
        "standard-webhooks",
        "unipile",
        "≤",
        1.10,
    ),
    Bar("standard-webhooks / unipile, events/s", _RATE, "standard-webhooks", "unipile"),
    Bar("github / unipile, server CPU per event", _CPU, "github", "unipile"),
    Bar("github / unipile, events/s", _RATE, "github", "unipile"),
    Bar("meta / unipile, server CPU per event", _CPU, "meta", "unipile"),
    Bar("meta / unipile, events/s", _RATE, "meta", "unipile"),
)
LATENCY_BARS = (
    Bar("D / A, p99 at a fixed rate", "p99_ms", _D, "A", "≤", 3.0),
    Bar("D / A, p50 at a fixed rate", "p50_ms", _D, "A"),
    Bar("D always / A, p99 at a fixed rate", "p99_ms", "D always", "A"),
)

_COLUMNS = {
    "events_per_second": "events/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "p999_ms": "p99.9 ms",
    "server_cpu_us": "CPU µs/event",
    "redis_cpu_us": "Redis CPU µs/event",
    "server_peak_mib": "peak MiB",
    "redis_peak_mib": "Redis peak MiB",
    "late_p99_ms": "sender late, p99 ms",
}


def conditions(header: Line, lines: Sequence[Line]) -> Table:
    """Say on what a run was measured."""
    versions = ", ".join(f"{name} {text}" for name, text in header["versions"].items())
    fsync = header["fsync"]
    disk = (
        f"{header['file_system']}, 4 KiB confirmed in p50 {fsync['p50_ms']} ms, "
        f"p99 {fsync['p99_ms']} ms"
    )
    rows = [
        ("measured", f"{header['at']}, commit {header['commit']}"),
        ("machine", f"{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}"),
        ("versions", versions),
        ("disk", disk),
        ("method", method_of(header)),
        ("quiet", strangers(lines)),
    ]
    return Table("Conditions", ("", ""), rows)


def strangers(lines: Sequence[Line]) -> str:
    """Say how much CPU time others took, and whether the figures can be trusted."""
    seen = spread(figures(lines, "others_cpu_percent"))
    said = (
        f"others took {seen.median:.0f} % of a core in the middle round, {seen.high:.0f} % at most"
    )
    return said if seen.median <= DISTURBED_PERCENT else f"{said}: NOT QUIET, measure again"


def medians(lines: Sequence[Line], columns: Sequence[str], by: str = "contender") -> Table:
    """Give the median of each figure, and the range of the first.

    Args:
        lines: Of rounds.
        columns: Keys of figures.
        by: Key whose values are the rows.
    """
    head = [by, _COLUMNS[columns[0]], "lowest – highest", "quartiles"]
    rows = []
    for name in names(lines, by):
        first = spread(figures(lines, columns[0], **{by: name}))
        span = f"{number(first.low)} – {number(first.high)}"
        quartiles = f"{number(first.first_quartile)} – {number(first.third_quartile)}"
        others = [_median(figures(lines, column, **{by: name})) for column in columns[1:]]
        rows.append([name, number(first.median), span, quartiles, *others])
    return Table("Medians", [*head, *(_COLUMNS[column] for column in columns[1:])], rows)


def ratios(lines: Sequence[Line], bars: Sequence[Bar]) -> Table:
    """Give each ratio with its bar."""
    rows = []
    for bar in bars:
        ratio = bar.ratio(lines)
        if ratio is None:
            continue
        rounds = spread(bar.by_round(lines))
        span = f"{rounds.low:.2f} – {rounds.high:.2f}"
        wanted = f"{bar.side} {bar.limit:.2f}" if bar.side else "–"
        verdict = ("holds" if bar.holds(lines) else "does not hold") if bar.side else "–"
        rows.append([bar.what, f"{ratio:.2f}", f"{rounds.median:.2f}", span, wanted, verdict])
    head = ["ratio", "of medians", "median of rounds", "lowest – highest", "must be", "verdict"]
    return Table("Ratios", head, rows)


def _median(found: list[float]) -> str:
    return number(spread(found).median) if found else "–"
