"""Makes spool files, and takes over those that dead processes have left; on the spool's thread.

What is no spool file, or is damaged, is named in the log once and left where it is. So is what the
system does not let us have, but that is tried again: the others are taken all the same.
"""

import sqlite3
from collections.abc import Collection

from relay.contract.errors import RelayError
from relay.contract.logs import Logger
from relay.spool.directory import Directory
from relay.spool.file import SpoolFile
from relay.spool.lock import Lock, take
from relay.spool.open_file import Taken
from relay.spool.opening import UnopenedFile, UnreadableFile

NAMES_TRIED = 5

_log = Logger("relay.spool")


class NoFile(RelayError):
    """No file could be made in the spool's directory."""


class Taking:
    """Makes, takes and removes the files of one directory.

    Args:
        directory: Which.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._hopeless: set[str] = set()
        self._said: set[str] = set()

    def make(self) -> Taken:
        """Make a file of one's own, whose name outlives a power cut.

        Raises:
            NoFile: The disk or the directory does not take it.
        """
        try:
            # Also where somebody has removed it since the start.
            self._directory.make()
            for _ in range(NAMES_TRIED):
                name = self._directory.new_name()
                # The lock first, so that nobody takes the file for one that was left.
                lock = take(self._directory.lock(name), make=True)
                if lock is not None:
                    return self._make(name, lock)
        except (OSError, sqlite3.Error) as error:
            raise NoFile from error
        raise NoFile

    def take_orphans(self, own: Collection[str]) -> list[Taken]:
        """Take over every file whose process has ended, the oldest first.

        Args:
            own: Names of those that this process has.

        Raises:
            OSError: The directory cannot be read.
        """
        names = (name for name in self._directory.names() if name not in own)
        taken = (self._take(name) for name in names if name not in self._hopeless)
        return [each for each in taken if each is not None]

    def remove(self, lock: Lock, file: SpoolFile) -> None:
        """Remove a file in which nothing is left: the database, and then the lock that guards it.

        Raises:
            OSError: The directory does not take it.
        """
        file.remove()
        lock.remove()
        self._directory.keep_names()

    def _make(self, name: str, lock: Lock) -> Taken:
        path = self._directory.database(name)
        try:
            file = SpoolFile.make(path)
            self._directory.keep_names()
        except BaseException:
            path.unlink(missing_ok=True)
            lock.remove()
            raise
        return Taken(name, lock, file)

    def set_aside(self, name: str, lock: Lock, file: SpoolFile, error: Exception) -> None:
        """Let go of a file that turned out to be damaged; it is left, and not taken again."""
        file.close()
        lock.release()
        self._hopeless.add(name)
        self._say(name, error)

    def _take(self, name: str) -> Taken | None:
        """Take a file over, if it is free; what goes wrong with one must not cost the others."""
        path = self._directory.database(name)
        try:
            # One that was moved here without its lock is an orphan all the same.
            lock = take(self._directory.lock(name), make=True)
            if lock is None:
                return None
            if path.exists():
                return self._open(name, lock)
            lock.remove()
        except FileNotFoundError:  # somebody has removed it, or its directory
            return None
        except (UnreadableFile, sqlite3.Error, OSError) as error:
            self._say(name, error)
        return None

    def _open(self, name: str, lock: Lock) -> Taken:
        file = None
        try:
            file = SpoolFile.open(self._directory.database(name))
            return Taken(name, lock, file, file.census(), file.last_sequence())
        except BaseException:
            if file is not None:
                file.close()
            lock.release()
            raise

    def _say(self, name: str, error: Exception) -> None:
        if not isinstance(error, UnopenedFile | sqlite3.OperationalError | OSError):
            self._hopeless.add(name)
        if name not in self._said:
            self._said.add(name)
            file = self._directory.database(name).name
            _log.error("spool_file_unreadable", file=file, error=type(error).__name__)
