"""Says whose a spool file is: a lock that the system takes back when its process ends, however.

A path comes in, a held lock goes out, or nothing where another process lives and holds it.

Source: flock(2): a lock belongs to an open file, and goes with the last descriptor of it.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o600


class Lock:
    """A lock that is held; made by `take`.

    Args:
        path: Its file.
        descriptor: Keeps it.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others have it; may be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove its file while nobody else can have it, and let go."""
        with suppress(FileNotFoundError):
            self.path.unlink()
        self.release()


def take(path: Path, *, make: bool = False) -> Lock | None:
    """Take a lock if it is free.

    Whoever removes a file holds its lock, so one who had opened it before finds another file, or
    none, under the name when its turn comes; a lock on a file without a name would keep out nobody.

    Args:
        path: Its file.
        make: Make the file where there is none.

    Raises:
        OSError: The file cannot be opened or made.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_named(descriptor, path):
            return Lock(path, descriptor)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Tell whether a living process has the lock.

    Raises:
        OSError: The file cannot be opened.
    """
    lock = take(path)
    if lock is None:
        return path.exists()
    lock.release()
    return False


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))
