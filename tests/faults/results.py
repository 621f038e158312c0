"""The results that are kept, and the page's table, drawn from them."""

import json
import re
import subprocess
import time
from pathlib import Path

from bench.lines import Line
from bench.machine import describe
from bench.table import Table
from bench.tables import fill
from tests.faults.scenario import SERVERS, Outcome
from tests.faults.scenarios import ALL
from tests.servers import find_binary

_DOCS = Path(__file__).parents[2] / "docs/explanation"
PAGE = _DOCS / "guarantees.md"
RESULTS = _DOCS / "guarantees.jsonl"
MARK = "faults"
FOUND = ("lost", "doubled", "phantom", "unhandled")


def record(outcome: Outcome) -> None:
    """Keep what came of a scenario, in place of what was kept of it before."""
    line = line_of(outcome)
    kept = [one for one in read(RESULTS) if _key(one) != _key(line)]
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in [*kept, line])
    RESULTS.write_text(text, "utf-8")


def line_of(outcome: Outcome) -> Line:
    """Put what came of a scenario in a line, with what it came about on."""
    stage = outcome.stage
    machine = describe(("redis", "aiohttp"), ())
    return {
        "scenario": outcome.scenario.name,
        "server": stage.server,
        "version": _version_of(stage.server),
        "rounds": len(stage.unknown),
        "rounds_unknown": outcome.rounds_unknown,
        "unknown": sum(stage.unknown),
        "accepted": stage.accepted,
        **{name: outcome.total(name) for name in FOUND},
        "broken": outcome.broken,
        "seed": stage.seed,
        "seconds": round(outcome.seconds, 1),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine,
    }


def read(path: Path = RESULTS) -> list[Line]:
    """Give the lines that are kept."""
    if not path.exists():
        return []
    return [json.loads(text) for text in path.read_text("utf-8").splitlines()]


def section(path: Path = RESULTS) -> str:
    """Draw what the page shows of the lines that are kept."""
    lines = {_key(line): line for line in read(path)}
    rows = [
        _row(scenario.title, scenario.durability, lines[scenario.name, server])
        for scenario in ALL
        for server in scenario.servers
        if (scenario.name, server) in lines
    ]
    if not rows:
        return ""
    head = ("What happens", "Durability", "Store", "Rounds", "with an unknown outcome",
            "Accepted", "Lost", "Doubled")  # fmt: skip
    return Table("", head, rows).markdown()


def write_page() -> None:
    """Put the table into the page."""
    PAGE.write_text(fill(PAGE.read_text("utf-8"), {MARK: section()}), "utf-8")


def _row(title: str, durability: str, line: Line) -> list[object]:
    store = f"{SERVERS[line['server']]} {line['version']}"
    counts = (line[name] for name in ("rounds", "rounds_unknown", "accepted", "lost", "doubled"))
    return [title, durability, store, *counts]


def _key(line: Line) -> tuple[str, str]:
    return line["scenario"], line["server"]


def _version_of(server: str) -> str:
    said = subprocess.run(
        [str(find_binary(server)), "--version"], capture_output=True, text=True, check=True
    )
    found = re.search(r"v=([\d.]+)", said.stdout)
    return found[1] if found else "–"
