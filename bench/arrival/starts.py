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
# Of an event's id: after "evt_" what its file of deliveries was drawn, 40 bits, then its number.
_FILE, _NUMBER = slice(4, 14), slice(14, None)
_NUMBER_BITS = 23
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
        self._noted.append(_code(event_id))
        self._noted.append(now)

    def _write(self) -> None:
        os.write(self._file, self._noted.tobytes())
        del self._noted[:]


def count(path: Path) -> int:
    """Say how many starts are written."""
    return path.stat().st_size // _PAIR_BYTES


def read(path: Path, after: int, like: str) -> list[tuple[int, float]]:
    """Give the starts that were written after so many others.

    Args:
        path: The file.
        after: How many are passed over.
        like: Id of an event; only those of the same file of deliveries are given.

    Returns:
        Number and seconds of each.
    """
    found = array("q")
    found.frombytes(path.read_bytes()[after * _PAIR_BYTES :])
    first = _code(like) >> _NUMBER_BITS << _NUMBER_BITS
    pairs = zip(found[::2], found[1::2], strict=True)
    return [
        (code - first, ns / 1e9) for code, ns in pairs if first <= code < first + 2**_NUMBER_BITS
    ]


def _code(event_id: str) -> int:
    """Write an event's file and number as one number of 63 bits."""
    return int(event_id[_FILE], 16) << _NUMBER_BITS | int(event_id[_NUMBER])
