"""Raw lines: one JSON object per line, a header first, then one line per contender and round.

Whoever doubts a table can compute it again from these.
"""

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def header(bench: str, **facts: object) -> Line:
    """Make the first line: which benchmark, when, and on what."""
    return {
        "kind": "header",
        "bench": bench,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **facts,
    }


def append(path: Path, line: Line) -> None:
    """Write one more line, so that a run that is broken off leaves what it had."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read(path: Path) -> tuple[Line, list[Line]]:
    """Give the header and the lines of rounds, without those that were disturbed.

    Raises:
        ValueError: The file does not begin with a header.
    """
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines() if text.strip()]
    if not lines or lines[0].get("kind") != "header":
        raise ValueError(f"{path} has no header line: run the benchmark again")
    return lines[0], [line for line in lines if line["kind"] == "round"]


def figures(lines: Iterable[Line], key: str, **where: object) -> list[float]:
    """Give one figure of all lines that match, in the order of the rounds."""
    return [
        float(line[key])
        for line in lines
        if key in line and all(line.get(name) == value for name, value in where.items())
    ]


def names(lines: Sequence[Line], key: str = "contender") -> list[str]:
    """Give the values of a key in the order in which they first come."""
    return list(dict.fromkeys(str(line[key]) for line in lines if key in line))
