"""``python -m bench.tables``: the tables of the performance page, made from the raw lines kept.

With ``--write`` they are put into the page, between the marks of their benchmark. A test
compares page and lines, so a figure cannot be changed by hand.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import ingress, latency, senders, shapes
from bench.arrival import tables as arrival
from bench.consume import tables as consume
from bench.holds import tables as judged
from bench.lines import RESULTS, Line, of_kind, read
from bench.table import Table

PAGE = Path(__file__).parent.parent / "docs/explanation/performance.md"

# Name of the raw lines' file -> what makes tables from them.
COMPARE: Mapping[str, Callable[[Line, Sequence[Line]], Sequence[Table]]] = {
    "ingress": ingress.tables,
    "latency": latency.tables,
    "shapes": shapes.tables,
    "senders": senders.tables,
    "arrival": arrival.tables,
    "consume": consume.tables,
}
# What is looked for rather than compared: shown where lines of it are kept.
FOUND: Mapping[str, Callable[[Line, Sequence[Line]], Sequence[Table]]] = {
    "consume-sweep": consume.swept,
}
NAMES = (*COMPARE, *FOUND, *judged.FIGURES)


def section(name: str, results: Path = RESULTS) -> str:
    """Give what the page has of one benchmark; nothing where no lines of it are kept.

    Args:
        name: One of `NAMES`.
        results: Where the raw lines are.
    """
    path = results / f"{name}.jsonl"
    if not path.exists():
        return ""
    header, lines = read(path)
    makers = {**COMPARE, **FOUND}
    if name not in makers:
        return judged.section(name, header, lines)
    tables = makers[name](header, of_kind(lines, "round"))
    return "\n\n".join(table.markdown() for table in tables)


def part_of(page: str, name: str) -> str:
    """Give what stands in a page between the marks of a benchmark.

    Raises:
        ValueError: The page has no such marks.
    """
    return _between(page, name)[1].strip()


def fill(page: str, made: Mapping[str, str]) -> str:
    """Put sections between the marks of their benchmarks; empty lines beside the marks stay.

    Raises:
        ValueError: The page has no marks for one of them.
    """
    for name, text in made.items():
        before, between, after = _between(page, name)
        gap = "\n\n" if between.startswith("\n\n") else "\n"
        page = f"{before}{gap}{text}{gap if text else ''}{after}"
    return page


def _between(page: str, name: str) -> tuple[str, str, str]:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, begins, rest = page.partition(begin)
    between, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"the page needs {begin} and {end} around its figures")
    return before + begin, between, end + after


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/explanation/performance.md")
    given = parser.parse_args()
    made = {name: section(name) for name in NAMES}
    if given.write:
        PAGE.write_text(fill(PAGE.read_text("utf-8"), made), "utf-8")
    else:
        sys.stdout.write("\n\n".join(filter(None, made.values())) + "\n")


if __name__ == "__main__":
    main()
