"""Raw lines and verdicts of one run: figures in, a JSON line for each out, then the exit code.

The file begins with a header and is written as the run goes, so that a run that is broken off
leaves what it had. It never judges by itself: a benchmark says what was claimed and what came.
"""

from pathlib import Path

from bench.lines import RESULTS, Line, append, header
from bench.machine import describe


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
        machine = describe()
        append(self.path, header(name, machine=machine, options=facts))
        print(_told(self.path.name, machine | facts), flush=True)

    def line(self, kind: str, **fields: object) -> None:
        """Write one line."""
        append(self.path, {"kind": kind, **fields})

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


def _told(kind: str, fields: Line) -> str:
    return f"{kind}: " + ", ".join(f"{name} {value}" for name, value in fields.items())
