"""Rows in, a table out: for a terminal, or as Markdown for a page. The same text in both."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Args:
        title: One line above it.
        head: Names of the columns.
        rows: Cells, as many as there are columns; whole numbers are written with separators.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]

    def text(self) -> str:
        """Write it for a terminal."""
        lines = [self.head, *([_shown(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        shown = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        return "\n".join([self.title, *(f"  {line}" for line in shown)])

    def markdown(self) -> str:
        """Write it for a page, without the title."""
        lines = (self.head, ["---"] * len(self.head), *self.rows)
        shown = ([_shown(cell).replace("|", "\\|") for cell in line] for line in lines)
        return "\n".join(f"| {' | '.join(line)} |" for line in shown)


def number(figure: float) -> str:
    """Write a figure with three digits that count, or all before the point."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"


def _shown(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
