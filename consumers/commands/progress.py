"""Shows how far an operation has come, on standard error."""

import time
from collections.abc import Callable

from consumers.operations.progress import Progress, Report, unheard
from relay.contract.display import warn

EVERY_SECONDS = 1.0


def shown(what: str, *, as_json: bool, clock: Callable[[], float] = time.monotonic) -> Report:
    """Give what shows progress: a line a second at most, and none beside JSON.

    Args:
        what: What is done to entries, as in ``42 of 100 redriven``.
        as_json: The command's output is read by a program.
        clock: Monotonic seconds.
    """
    if as_json:
        return unheard
    said_at = clock()

    def show(progress: Progress) -> None:
        nonlocal said_at
        now = clock()
        if now - said_at < EVERY_SECONDS:
            return
        said_at = now
        warn(line(what, progress))

    return show


def line(what: str, progress: Progress) -> str:
    """Say in one line how far it has come."""
    total = "" if progress.total is None else f" of {progress.total}"
    left = f", {progress.left} left as they are" if progress.left else ""
    return f"{progress.done}{total} {what}{left}; {progress.seen} looked at"
