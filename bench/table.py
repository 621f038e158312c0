"""Rows in, a table out: for a terminal, or as Markdown for a page. The same text in both."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Args:
        title: One line above it.
        head: Names of the columns.
        rows: Cells, as many as there are columns.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Write it for a terminal."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        shown = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        return "\n".join([self.title, *(f"  {line}" for line in shown)])

    def markdown(self) -> str:
        """Write it for a page, without the title."""
        rule = ["---"] * len(self.head)
        return "\n".join(f"| {' | '.join(line)} |" for line in (self.head, rule, *self.rows))


def number(figure: float) -> str:
    """Write a figure with three digits that count, or all before the point."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"
