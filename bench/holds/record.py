"""Raw lines and verdicts of one run: figures in, a JSON line for each out, then the exit code.

The file begins with a header and is written as the run goes, so that a run that is broken off
leaves what it had. It never judges by itself: a benchmark says what was claimed and what came.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.machine import describe

Line = dict[str, Any]

RESULTS = Path(__file__).parents[1] / "results"


class Record:
    """The raw lines of one benchmark.

    Args:
        name: Names the file.
        directory: Where it is written, over that of the last run.
        facts: What else the header says: the options of the run.
    """

    def __init__(self, name: str, directory: Path = RESULTS, **facts: object) -> None:
        self.path = directory / f"{name}.jsonl"
        self._verdicts: list[bool] = []
        directory.mkdir(parents=True, exist_ok=True)
        self.path.write_text("", "utf-8")
        header = {"bench": name, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self.line("header", **header, machine=describe(), options=facts)
        print(_told(self.path.name, describe() | facts), flush=True)

    def line(self, kind: str, **fields: object) -> None:
        """Write one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **fields}, ensure_ascii=False) + "\n")

    def say(self, kind: str, **fields: object) -> None:
        """Write one line, and show it."""
        self.line(kind, **fields)
        print(_told(kind, fields), flush=True)

    def judge(self, claim: str, measured: object, *, bound: str, holds: bool) -> None:
        """Write down whether a claim holds.

        Args:
            claim: What must hold, in words.
            measured: What came.
            bound: What was allowed, in words.
            holds: The verdict.
        """
        self._verdicts.append(holds)
        self.line("verdict", claim=claim, measured=measured, bound=bound, holds=holds)
        print(f"{'holds' if holds else 'FAILS'}  {claim}: {measured} ({bound})", flush=True)

    def exit_code(self) -> int:
        """Give 0 if at least one claim was judged and all hold, else 1."""
        return 0 if self._verdicts and all(self._verdicts) else 1


def read(path: Path) -> tuple[Line, list[Line]]:
    """Give the header and the lines after it.

    Raises:
        ValueError: The file does not begin with a header.
    """
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines() if text.strip()]
    if not lines or lines[0].get("kind") != "header":
        raise ValueError(f"{path} has no header line: run the benchmark again")
    return lines[0], lines[1:]


def of_kind(lines: Sequence[Line], kind: str, **where: object) -> list[Line]:
    """Give the lines of one kind whose fields have these values."""
    return [
        line
        for line in lines
        if line["kind"] == kind and all(line.get(name) == value for name, value in where.items())
    ]


def _told(kind: str, fields: Line) -> str:
    return f"{kind}: " + ", ".join(f"{name} {value}" for name, value in fields.items())
