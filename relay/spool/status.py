"""What lies in a spool's directory, looked at from outside while gateways run."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from relay.spool.directory import Directory
from relay.spool.file import SpoolFile, StreamCensus
from relay.spool.lock import is_held
from relay.spool.opening import UnreadableFile


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One file.

    Args:
        name: Its database's.
        state: ``held`` by a living process, ``orphan``, or ``unreadable``: damaged, no spool file,
            or not for this user.
        streams: What is in it; nothing where it cannot be read.
    """

    name: str
    state: str
    streams: list[StreamCensus] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many events are in it."""
        return sum(census.events for census in self.streams)


def look(directory: Directory) -> list[FileStatus]:
    """Say what lies in a directory, the oldest first.

    Raises:
        OSError: It cannot be read.
    """
    paths = ((directory.database(name), directory.lock(name)) for name in directory.names())
    # Of some their lock is all that is left.
    return [_look_at(path, lock) for path, lock in paths if path.exists()]


def _look_at(path: Path, lock: Path) -> FileStatus:
    """Look at one file: what is wrong with it must not hide the others."""
    unreadable = FileStatus(path.name, "unreadable")
    try:
        state = "held" if is_held(lock) else "orphan"
    except OSError:
        return unreadable
    try:
        file = SpoolFile.look_at(path)
    except UnreadableFile:
        # One that was never laid out is no worse than empty.
        blank = path.exists() and path.stat().st_size == 0
        return FileStatus(path.name, state) if blank else unreadable
    try:
        return FileStatus(path.name, state, file.census())
    except sqlite3.Error:
        return unreadable
    finally:
        file.close()
