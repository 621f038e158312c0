"""What a command says: a table where people look, JSON where programs do.

Rows of plain values come in, lines on standard output go out. Anything in them may come from a
sender, so a table shows every value with control characters written out and markup off, and JSON
is ASCII only. Nothing here knows what the rows mean.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from rich.cells import cell_len

from relay.contract.printable import printable

# A table that fills no screen is drawn to fit the terminal, which takes a ms for each row. Longer
# ones are not, and none in a file or a pipe: grep and cut want one row per line.
DRAWN_ROWS = 200

Row = Mapping[str, object]


def show(
    rows: Sequence[Row], columns: Sequence[str], *, as_json: bool, empty: str = "nothing to show"
) -> None:
    """Show rows as a table, or as one JSON document.

    Args:
        rows: Values by column; a missing one counts as none.
        columns: Which are shown, in this order; ``_`` becomes a space in the table's head.
        as_json: One array with an object per row, every key of the row in it.
        empty: What is said instead of a table without rows.
    """
    if as_json:
        show_json([dict(row) for row in rows])
    elif not rows:
        tell(empty)
    elif sys.stdout.isatty() and len(rows) <= DRAWN_ROWS:
        # What draws takes as long to import as all the rest, and programs need no drawing.
        from relay.contract.drawn import draw  # noqa: PLC0415

        draw(
            [name.replace("_", " ") for name in columns],
            [[_shown(row.get(name)) for name in columns] for row in rows],
            right=[_are_numbers(rows, name) for name in columns],
        )
    else:
        for line in _lines(rows, columns):
            print(line)  # noqa: T201


def show_line(row: Row, columns: Sequence[str], *, as_json: bool) -> None:
    """Show one row of something that goes on: a line of text, or one JSON object per line.

    Args:
        row: Values by column.
        columns: Which are shown, in this order, two spaces between them.
        as_json: An object with every key of the row.
    """
    if as_json:
        show_json(dict(row))
    else:
        print("  ".join(_shown(row.get(name)) for name in columns), flush=True)  # noqa: T201


def show_json(document: object) -> None:
    """Write one JSON document on a line of its own; bytes in it are read as UTF-8."""
    print(json.dumps(document, default=_plain), flush=True)  # noqa: T201


def time_text(ms: int) -> str | None:
    """Write a time as RFC 3339 in UTC.

    Args:
        ms: Milliseconds since the epoch.

    Returns:
        The text; none for a number that is no time, as in an entry id that somebody made up.
    """
    try:
        at = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tell(text: str) -> None:
    """Say our own words on standard output; values from outside go through `printable` first."""
    print(text, flush=True)  # noqa: T201


def warn(text: str) -> None:
    """Say our own words on standard error, so that they never mix with a command's result."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _lines(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[str]:
    """Write a table out, each row on one line however long it is."""
    texts = [[name.replace("_", " ") for name in columns]]
    texts += [[_shown(row.get(name)) for name in columns] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    right = [_are_numbers(rows, name) for name in columns]
    for line in texts:
        cells = []
        for text, width, at_right in zip(line, widths, right, strict=True):
            gap = " " * (width - cell_len(text))
            cells.append(gap + text if at_right else text + gap)
        yield "  ".join(cells).rstrip()


def _are_numbers(rows: Sequence[Row], name: str) -> bool:
    return all(isinstance(row.get(name), int | float | None) for row in rows)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value) or "-"
    return printable(value)


def _plain(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
