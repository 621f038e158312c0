"""Knows whether open files are still those under their names.

One whose name is gone takes what is written, and syncs it; when its process ends, all of it is
gone. So it must not count as written.

Source: unlink(2): a file whose last name is removed stays until the last descriptor is closed.
"""

import os
from collections.abc import Iterable
from pathlib import Path


class Named:
    """Some files that are open, as they were found under their names.

    Args:
        paths: Their names.

    Raises:
        OSError: One of them is not there.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._found = [(path, path.stat()) for path in paths]

    def check(self) -> None:
        """See whether each is still there.

        Raises:
            FileNotFoundError: One is not, or another stands in its place.
            OSError: It cannot be told.
        """
        for path, found in self._found:
            if not os.path.samestat(path.stat(), found):
                raise FileNotFoundError(path.name)
