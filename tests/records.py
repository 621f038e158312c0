"""Lines that outlive the process that writes them: each is one write, on disk before the next step.

Several processes may write to one file; its order is then the order in which they acted.
"""

import os
from collections.abc import Iterator
from pathlib import Path


class Record:
    """A file that lines are added to.

    Args:
        path: Made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, *words: object) -> None:
        """Add a line; words hold no blanks."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())
        os.fsync(self._file)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)


def lines_of(path: Path) -> Iterator[list[str]]:
    """Give the words of each line; a last one without its end was never acted upon."""
    if not path.exists():
        return
    whole, _, _ = path.read_text("utf-8").rpartition("\n")
    for line in whole.splitlines():
        yield line.split(" ")
