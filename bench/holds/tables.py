"""Raw lines in, Markdown tables out, as they stand on the page; it measures nothing.

``python -m bench.holds.tables`` prints them; with ``--write PAGE`` they go between the marks of
that page, ``<!-- name -->`` and ``<!-- end of name -->``.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.holds.figures import mib, told
from bench.holds.record import RESULTS, Line, of_kind, read

NAMES = ("memory", "unfinished", "overload", "restart", "index")

_Rows = list[Sequence[object]]


def section(name: str, results: Path = RESULTS) -> str:
    """Give what stands between the marks of one benchmark: conditions, figures, verdicts.

    Args:
        name: One of `NAMES`.
        results: Where the raw lines are.

    Raises:
        OSError: There are no raw lines of it.
        ValueError: The file does not begin with a header.
    """
    header, lines = read(results / f"{name}.jsonl")
    return f"{_conditions(header)}\n\n{_FIGURES[name](header, lines)}\n{_verdicts(lines)}"


def fill(page: str, results: Path = RESULTS) -> str:
    """Put the sections of all raw lines there are between their marks.

    Raises:
        ValueError: The page has no marks for one of them.
    """
    for name in NAMES:
        if not (results / f"{name}.jsonl").exists():
            continue
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, begins, rest = page.partition(begin)
        _, ends, after = rest.partition(end)
        if not begins or not ends:
            raise ValueError(f"the page needs {begin.strip()} and {end} around its figures")
        page = f"{before}{begin}{section(name, results)}{end}{after}"
    return page


def table(head: Sequence[str], rows: _Rows) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _conditions(header: Line) -> str:
    machine = header["machine"]
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    options = ", ".join(f"{name} {value}" for name, value in header["options"].items())
    return (
        f"Measured {header['at']} at commit {machine['commit']}: {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['memory']}, Linux {machine['kernel']}; {versions}.\n"
        f"Options: {options}."
    )


def _verdicts(lines: Sequence[Line]) -> str:
    rows: _Rows = [
        (line["claim"], line["measured"], line["bound"], "yes" if line["holds"] else "**no**")
        for line in of_kind(lines, "verdict")
    ]
    return table(("Must hold", "Measured", "Allowed", "Holds"), rows)


def _memory(header: Line, lines: Sequence[Line]) -> str:
    events, early = header["options"]["events"], header["options"]["early"]
    samples = of_kind(lines, "sample")
    rows: _Rows = []
    for mark in (early, *(events * part // 4 for part in range(1, 5))):
        reached = [line for line in samples if line["events"] >= mark] or samples[-1:]
        rows.append((reached[0]["events"], mib(reached[0]["resident_bytes"])))
    return table(("Events", "Resident MiB"), rows)


def _unfinished(_: Line, lines: Sequence[Line]) -> str:
    rows: _Rows = []
    for end in of_kind(lines, "end"):
        samples = of_kind(lines, "sample", addresses=end["addresses"])
        rows.append(
            (
                end["addresses"],
                max(line["unfinished"] for line in samples),
                told(end["fates"]["answers"]),
                mib(max(line["in_hand_bytes"] for line in samples)),
                f"{mib(end['before_bytes'])} / {mib(end['peak_bytes'])}",
                told(end["good"]),
                _spread(end["latency_ms"]),
            )
        )
    head = ("From addresses", "Unfinished at once", "Cut", "Bodies in hand, MiB")
    memory = "Resident before / at most, MiB"
    return table((*head, memory, "Good deliveries", "p50 / p99 / highest ms"), rows)


def _overload(_: Line, lines: Sequence[Line]) -> str:
    capacity, end = of_kind(lines, "capacity")[0], of_kind(lines, "end")[0]
    rows: _Rows = [
        ("passes at full speed, per second", capacity["full_per_second"]),
        ("each reply of the store held back, ms", round(1000 * capacity["delay_seconds"])),
        ("passes then, per second", capacity["slow_per_second"]),
        ("sent, per second", round(3 * capacity["slow_per_second"], 1)),
        ("answers of the whole run", told(end["outcomes"])),
        ("200 after p50 / p99 / highest ms", _spread(end["latency_ms"])),
        ("sender late, p50 / p99 / highest ms", _spread(end["late_ms"])),
        (
            "resident before / at most, MiB",
            f"{mib(end['before_bytes'])} / {mib(end['peak_bytes'])}",
        ),
        *((f"`{name}` at most", f"{value:,.0f}") for name, value in end["gauges"].items()),
    ]
    return table(("", ""), rows)


def _restart(_: Line, lines: Sequence[Line]) -> str:
    end, restarts = of_kind(lines, "end")[0], of_kind(lines, "restart")
    seconds = [line["seconds"] for line in restarts]
    rows: _Rows = [
        ("restarts", len(restarts)),
        ("each took, s", f"{min(seconds)} – {max(seconds)}"),
        ("outcomes", told(end["outcomes"])),
        ("answers with `Connection: close`", end["announced"]),
        ("connections closed while idle", end["idle_closed"]),
        ("200 after p50 / p99 / highest ms", _spread(end["latency_ms"])),
    ]
    return table(("", ""), rows)


def _index(_: Line, lines: Sequence[Line]) -> str:
    rows: _Rows = []
    for part in of_kind(lines, "part"):
        dearest, cpu = part["bytes_per_id"], part["cpu"]
        rows.append(
            (
                part["scenario"],
                part["part"],
                *(_of(dearest, name) for name in ("relay", "plain", "rollovers")),
                *(_of(cpu, name) for name in ("relay_us", "plain_us", "ratio")),
            )
        )
    memory = ("Index, B/id at worst", "Plain keys, B/id at worst", "Rollovers")
    cpu = ("Redis µs/event", "Plain keys", "Ratio")
    return table(("Ids per window", "Part", *memory, *cpu), rows)


_FIGURES: dict[str, Callable[[Line, Sequence[Line]], str]] = {
    "memory": _memory,
    "unfinished": _unfinished,
    "overload": _overload,
    "restart": _restart,
    "index": _index,
}


def _of(figures: Line | None, name: str) -> object:
    return "–" if figures is None else figures[name]


def _spread(figures: dict[str, float]) -> str:
    return " / ".join(f"{value:.1f}" for value in figures.values()) or "–"


def _cell(cell: object) -> str:
    text = f"{cell:,}" if isinstance(cell, int) else str(cell)
    return text.replace("|", "\\|")


def main() -> int:
    """Print the sections of all raw lines there are, or write them into a page."""
    parser = argparse.ArgumentParser(description="Tables of the benchmarks that judge.")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    page = parser.parse_args().write
    if page is not None:
        page.write_text(fill(page.read_text("utf-8")), "utf-8")
        return 0
    for name in NAMES:
        if (RESULTS / f"{name}.jsonl").exists():
            print(f"## {name}\n\n{section(name)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
