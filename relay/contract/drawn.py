"""Draws a table on a terminal, as wide as that is."""

import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

# As long as usual ids are; a longer text would leave the other columns no room.
KEPT_CHARACTERS = 40


def draw(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool]) -> None:
    """Draw a table on standard output.

    The first column is what a row is called by, which is to be copied, so it stays on one line.

    Args:
        head: A word or two for each column.
        rows: Texts that are safe to print, one for each column.
        right: Which columns are aligned at their right.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, (name, at_right) in enumerate(zip(head, right, strict=True)):
        table.add_column(
            Text(name),
            justify="right" if at_right else "left",
            overflow="fold",
            no_wrap=number == 0 and max(map(len, (row[0] for row in rows))) <= KEPT_CHARACTERS,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    Console(file=sys.stdout, markup=False, highlight=False, emoji=False).print(table)
