"""A quiet machine: wait for it before a measurement, and measure again where it was not.

What is thrown away is decided by the CPU time of strangers alone, never by the figures; it
stays in the raw lines, as ``disturbed``.
"""

import time
from collections.abc import Callable

from bench.cpu import strangers_ns
from bench.lines import Line

# Of one core. What an idle system does by itself is well below.
QUIET_PERCENT = 10
DISTURBED_PERCENT = 20
_LOOK_SECONDS = 0.5
_ATTEMPTS = 3


def undisturbed(
    measure: Callable[[], Line], keep: Callable[[Line], None], patience_seconds: float
) -> Line:
    """Measure while others are quiet; again, at most twice, where they were not.

    Args:
        measure: Gives a line with ``others_cpu_percent`` and ``faults``. One with faults is not
            measured again: they count, whatever others did.
        keep: Takes the lines that were disturbed.
        patience_seconds: How long to wait for others before each; 0 takes it as it comes.
    """
    for _ in range(_ATTEMPTS - 1 if patience_seconds else 0):
        wait_for_quiet(patience_seconds)
        line = measure()
        if line["faults"] or line["others_cpu_percent"] <= DISTURBED_PERCENT:
            return line
        keep(line | {"kind": "disturbed"})
    wait_for_quiet(patience_seconds)
    return measure()


def wait_for_quiet(patience_seconds: float) -> None:
    """Return when others use little of the machine, or when patience ends."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        before = strangers_ns()
        time.sleep(_LOOK_SECONDS)
        if strangers_ns() - before < QUIET_PERCENT / 100 * _LOOK_SECONDS * 1e9:
            return
