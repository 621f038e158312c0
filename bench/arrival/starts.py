"""The starts of handlers: noted as they come by the process that runs them, read by another.

Numbers of events and times on the machine's monotonic clock in; a file of both out, written now and
then in one piece, so that noting costs next to nothing.
"""

import asyncio
import os
import time
from array import array
from pathlib import Path

VARIABLE = "BENCH_STARTS"
# Of an event's id: what comes before its number.
_BEFORE_NUMBER = 14
_EVERY_SECONDS = 0.1
_PAIR_BYTES = 16


class Starts:
    """Notes when handlers started, in the file that the environment names.

    Made within a running process; the file is there from then on.
    """

    def __init__(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(os.environ[VARIABLE], flags, 0o600)
        self._noted = array("q")

    def note(self, event_id: str) -> None:
        """Note that the handler of an event starts now."""
        now = time.monotonic_ns()
        if not self._noted:
            asyncio.get_running_loop().call_later(_EVERY_SECONDS, self._write)
        self._noted.append(int(event_id[_BEFORE_NUMBER:]))
        self._noted.append(now)

    def _write(self) -> None:
        os.write(self._file, self._noted.tobytes())
        del self._noted[:]


def count(path: Path) -> int:
    """Say how many starts are written."""
    return path.stat().st_size // _PAIR_BYTES


def read(path: Path, after: int) -> list[tuple[int, float]]:
    """Give the starts that were written after so many others: number, seconds."""
    found = array("q")
    found.frombytes(path.read_bytes()[after * _PAIR_BYTES :])
    return [(number, ns / 1e9) for number, ns in zip(found[::2], found[1::2], strict=True)]
