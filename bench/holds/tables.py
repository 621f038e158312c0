"""Raw lines in, Markdown of the benchmarks that judge out, as it stands on the page."""

from collections.abc import Callable, Sequence
from statistics import median

from bench.holds.figures import mib, told
from bench.lines import Line, of_kind
from bench.table import Table

_Rows = list[Sequence[object]]


def section(name: str, header: Line, lines: Sequence[Line]) -> str:
    """Give what stands on the page of one benchmark: conditions, figures, verdicts.

    Args:
        name: One of `FIGURES`.
        header: Of its raw lines.
        lines: The others.
    """
    tables = (FIGURES[name](header, lines), _verdicts(lines))
    return "\n\n".join([_conditions(header), *(made.markdown() for made in tables)])


def _conditions(header: Line) -> str:
    machine = header["machine"]
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    options = ", ".join(f"{name} {value}" for name, value in header["options"].items())
    return (
        f"Measured {header['at']} at commit {machine['commit']}: {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['memory']}, Linux {machine['kernel']}; {versions}.\n"
        f"Options: {options}."
    )


def _verdicts(lines: Sequence[Line]) -> Table:
    rows: _Rows = [
        (line["claim"], line["measured"], line["bound"], "yes" if line["holds"] else "**no**")
        for line in of_kind(lines, "verdict")
    ]
    return Table("", ("Must hold", "Measured", "Allowed", "Holds"), rows)


def _memory(header: Line, lines: Sequence[Line]) -> Table:
    events, early = header["options"]["events"], header["options"]["early"]
    samples = of_kind(lines, "sample")
    rows: _Rows = []
    for mark in (early, *(events * part // 4 for part in range(1, 5))):
        reached = [line for line in samples if line["events"] >= mark] or samples[-1:]
        rows.append((reached[0]["events"], mib(reached[0]["resident_bytes"])))
    return Table("", ("Events", "Resident MiB"), rows)


def _unfinished(_: Line, lines: Sequence[Line]) -> Table:
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
                _told_marks(end["latency_ms"]),
            )
        )
    head = ("From addresses", "Unfinished at once", "Cut", "Bodies in hand, MiB")
    memory = "Resident before / at most, MiB"
    return Table("", (*head, memory, "Good deliveries", "p50 / p99 / highest ms"), rows)


def _overload(_: Line, lines: Sequence[Line]) -> Table:
    capacity, end = of_kind(lines, "capacity")[0], of_kind(lines, "end")[0]
    rows: _Rows = [
        ("passes at full speed, per second", capacity["full_per_second"]),
        ("each reply of the store held back, ms", round(1000 * capacity["delay_seconds"])),
        ("passes then, per second", capacity["slow_per_second"]),
        ("sent, per second", round(3 * capacity["slow_per_second"], 1)),
        ("answers of the whole run", told(end["outcomes"])),
        ("200 after p50 / p99 / highest ms", _told_marks(end["latency_ms"])),
        ("sender late, p50 / p99 / highest ms", _told_marks(end["late_ms"])),
        (
            "resident before / at most, MiB",
            f"{mib(end['before_bytes'])} / {mib(end['peak_bytes'])}",
        ),
        *((f"`{name}` at most", f"{value:,.0f}") for name, value in end["gauges"].items()),
    ]
    return Table("", ("", ""), rows)


def _restart(_: Line, lines: Sequence[Line]) -> Table:
    end, restarts = of_kind(lines, "end")[0], of_kind(lines, "restart")
    seconds = [line["seconds"] for line in restarts]
    rows: _Rows = [
        ("restarts", len(restarts)),
        ("each took, s", f"{min(seconds)} – {max(seconds)}"),
        ("outcomes", told(end["outcomes"])),
        ("answers with `Connection: close`", end["announced"]),
        ("connections closed while idle", end["idle_closed"]),
        ("200 after p50 / p99 / highest ms", _told_marks(end["latency_ms"])),
    ]
    return Table("", ("", ""), rows)


def _junk(_: Line, lines: Sequence[Line]) -> Table:
    capacity = of_kind(lines, "capacity")[0]["per_second"]
    rows: _Rows = [
        (
            line["number"] + 1,
            told(line["refused"]) if line["junk"] else "none",
            told(line["outcomes"]),
            _told_marks(line["latency_ms"]),
            _told_marks(line["late_ms"]),
        )
        for line in of_kind(lines, "round")
    ]
    head = ("Round", "Junk", f"Genuine, a third of {capacity:,.0f} per second")
    marks = ("200 after p50 / p99 / highest ms", "sender late, p50 / p99 / highest ms")
    return Table("", (*head, *marks), rows)


def _reload(_: Line, lines: Sequence[Line]) -> Table:
    rows: _Rows = []
    for way in ("signal", "command", "secret"):
        seconds = [line["seconds"] for line in of_kind(lines, "reload", way=way)]
        rows.append((way, len(seconds), f"{min(seconds)} / {median(seconds)} / {max(seconds)}"))
    return Table("", ("Wanted by", "Reloads", "Each took at least / median / at most, s"), rows)


def _index(_: Line, lines: Sequence[Line]) -> Table:
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
    return Table("", ("Ids per window", "Part", *memory, *cpu), rows)


FIGURES: dict[str, Callable[[Line, Sequence[Line]], Table]] = {
    "memory": _memory,
    "unfinished": _unfinished,
    "overload": _overload,
    "restart": _restart,
    "junk": _junk,
    "reload": _reload,
    "index": _index,
}


def _of(figures: Line | None, name: str) -> object:
    return "–" if figures is None else figures[name]


def _told_marks(figures: dict[str, float]) -> str:
    return " / ".join(f"{value:.1f}" for value in figures.values()) or "–"
