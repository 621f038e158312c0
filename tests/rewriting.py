"""Has the processes in which tests run beside each other share the rewriting of their modules.

pytest rewrites a module's assertions when it imports it, and keeps what came of it where Python may
write. Each process imports all modules, and in the same order: all of them rewrite the same one at
the same time. Begun at different places, each finds most of them rewritten.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent

T = TypeVar("T")


def import_shared(worker: Mapping[str, object]) -> None:
    """Import all modules with tests, other processes' share last, and keep them rewritten.

    Args:
        worker: What pytest-xdist has told this process: its name, and how many there are.
    """
    share = int(str(worker["workerid"]).removeprefix("gw"))
    count = int(str(worker["workercount"]))
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        for path in turned(sorted((ROOT / "tests").rglob("test_*.py")), share, count):
            # What fails here fails again when it is collected, and is reported there.
            with suppress(Exception):
                import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    finally:
        sys.dont_write_bytecode = before


def turned(rows: Sequence[T], share: int, count: int) -> list[T]:
    """Give all, begun at one of so many equal shares."""
    begin = len(rows) * share // count
    return list(chain(rows[begin:], rows[:begin]))
