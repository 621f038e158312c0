"""The end of a run that compares: tables printed, the drawing kept, the exit code said."""

from collections.abc import Sequence

from bench.lines import Line
from bench.report import Bar
from bench.stage import Stage
from bench.table import Table


def conclude(
    staged: Stage,
    drawing: str,
    tables: Sequence[Table],
    lines: Sequence[Line] = (),
    bars: Sequence[Bar] = (),
) -> int:
    """Show what came of a run, and give the exit code.

    Args:
        staged: The run, with its faults; its lines are kept already.
        drawing: Kept beside them.
        tables: To be printed.
        lines: Those that bars are held against.
        bars: What a whole run must not miss.
    """
    path = staged.path.with_suffix(".svg")
    path.write_text(drawing, "utf-8")
    for table in tables:
        print(f"\n{table.text()}")
    print(f"\nRaw lines: {staged.path}, drawing: {path}")
    for fault in staged.faults:
        print(f"FAULT: {fault}")
    missed = [bar.what for bar in bars if not bar.holds(lines)] if staged.options.is_whole else []
    if missed:
        print(f"MISSED: {'; '.join(missed)}")
    return 1 if staged.faults or missed else 0
