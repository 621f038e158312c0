"""Raw lines: one JSON object per line, a header first, then what was measured, as it came.

Whoever doubts a table can compute it again from these.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Line = dict[str, Any]

# What is kept in the repository.
RESULTS = Path(__file__).parent / "results"


def header(bench: str, **facts: object) -> Line:
    """Make the first line: which benchmark, when, and on what."""
    return {
        "kind": "header",
        "bench": bench,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **facts,
    }


def method_of(header: Line) -> str:
    """Say in a few words how a run was measured."""
    said = f"{header['rounds']} rounds of {header['seconds']} s"
    return f"{said}, {header['connections']} connections" if "connections" in header else said


def append(path: Path, line: Line) -> None:
    """Write one more line, so that a run that is broken off leaves what it had."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read(path: Path) -> tuple[Line, list[Line]]:
    """Give the header and the lines after it.

    Raises:
        ValueError: The file does not begin with a header.
    """
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines() if text.strip()]
    if not lines or lines[0].get("kind") != "header":
        raise ValueError(f"{path} has no header line: run the benchmark again")
    return lines[0], lines[1:]


def read_rounds(path: Path) -> tuple[Line, list[Line]]:
    """Give the header and the lines of rounds, without those that were disturbed."""
    head, lines = read(path)
    return head, of_kind(lines, "round")


def of_kind(lines: Iterable[Line], kind: str, **where: object) -> list[Line]:
    """Give the lines of one kind whose fields have these values."""
    return [line for line in lines if _matches(line, {"kind": kind, **where})]


def figures(lines: Iterable[Line], key: str, **where: object) -> list[float]:
    """Give one figure of all lines that match, in the order of the rounds."""
    return [float(line[key]) for line in lines if key in line and _matches(line, where)]


def names(lines: Sequence[Line], key: str = "contender") -> list[str]:
    """Give the values of a key in the order in which they first come."""
    return list(dict.fromkeys(str(line[key]) for line in lines if key in line))


def _matches(line: Line, where: Mapping[str, object]) -> bool:
    return all(line.get(name) == value for name, value in where.items())
