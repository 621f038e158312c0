"""Has the workers of a test die, be taken over and be forgotten within moments.

A module beside a test's handlers imports it as `hasty`, so that a whole process goes by it.
"""

from pathlib import Path

HASTY = """
    import consumers.heartbeat, consumers.sweep

    consumers.heartbeat.BEAT_SECONDS = 0.1
    consumers.heartbeat.RETRY_SECONDS = 0.1
    consumers.heartbeat.DEAD_SECONDS = {dead_seconds}
    consumers.sweep.SWEEP_SECONDS = 0.1
    consumers.sweep.LEASE_MS = 500
    consumers.sweep.MIN_IDLE_MS = 50
"""


def make_hasty(directory: Path, dead_seconds: float) -> None:
    """Write the module into a directory of handlers.

    Args:
        directory: Where the worker is started.
        dead_seconds: After so long without a beat a process counts as dead.
    """
    lines = HASTY.format(dead_seconds=dead_seconds).splitlines()
    (directory / "hasty.py").write_text("\n".join(line.strip() for line in lines))
