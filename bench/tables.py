"""``python -m bench.tables``: the tables of the performance page, made from the raw lines kept.

With ``--write`` they are put into the page, between the marks of their benchmark. A test
compares page and lines, so a figure cannot be changed by hand.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import ingress, latency, lines, shapes
from bench.table import Table

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/explanation/performance.md"
RESULTS = ROOT / "bench/results"

Tables = Callable[[lines.Line, Sequence[lines.Line]], Sequence[Table]]

# Name of the raw lines' file -> what makes tables from them.
BENCHES: Mapping[str, Tables] = {
    "ingress": ingress.tables,
    "latency": latency.tables,
    "shapes": shapes.tables,
}


def markdown(bench: str, results: Path = RESULTS) -> str:
    """Give all tables of one benchmark as Markdown, from the lines that are kept.

    Raises:
        FileNotFoundError: There are none: the benchmark has not been run.
    """
    header, rounds = lines.read(results / f"{bench}.jsonl")
    return "\n\n".join(table.markdown() for table in BENCHES[bench](header, rounds))


def part_of(page: str, bench: str) -> str:
    """Give what stands in a page between the marks of a benchmark.

    Raises:
        ValueError: The page has no such marks.
    """
    found = _marks(bench).search(page)
    if found is None:
        raise ValueError(f"the page has no <!-- {bench} --> … <!-- end of {bench} -->")
    return found[1].strip()


def with_tables(page: str, made: Mapping[str, str]) -> str:
    """Put tables between the marks of their benchmarks."""
    for bench, text in made.items():
        part_of(page, bench)
        marked = f"<!-- {bench} -->\n\n{text}\n\n<!-- end of {bench} -->"
        page = _marks(bench).sub(lambda _, marked=marked: marked, page)  # type: ignore[misc]
    return page


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/explanation/performance.md")
    given = parser.parse_args()
    made = {bench: markdown(bench) for bench in BENCHES}
    if given.write:
        PAGE.write_text(with_tables(PAGE.read_text("utf-8"), made), "utf-8")
    else:
        sys.stdout.write("\n\n".join(made.values()) + "\n")


def _marks(bench: str) -> re.Pattern[str]:
    return re.compile(f"<!-- {bench} -->(.*?)<!-- end of {bench} -->", re.DOTALL)


if __name__ == "__main__":
    main()
