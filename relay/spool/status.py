"""What lies in a spool's directory, looked at from outside while gateways run."""

import sqlite3
from dataclasses import dataclass, field

from relay.spool.directory import Directory
from relay.spool.file import SpoolFile, StreamCensus
from relay.spool.lock import is_held
from relay.spool.opening import UnreadableFile


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One file.

    Args:
        name: Its database's.
        state: ``held`` by a living process, ``orphan``, or ``unreadable``.
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
    found = []
    for name in directory.names():
        path = directory.database(name)
        if not path.exists():  # its lock is all that is left
            continue
        state = "held" if is_held(directory.lock(name)) else "orphan"
        try:
            file = SpoolFile.look_at(path)
        except UnreadableFile:
            # One that was never laid out is no worse than empty.
            blank = path.exists() and path.stat().st_size == 0
            found.append(FileStatus(path.name, state if blank else "unreadable"))
            continue
        try:
            found.append(FileStatus(path.name, state, file.census()))
        except sqlite3.Error:
            found.append(FileStatus(path.name, "unreadable"))
        finally:
            file.close()
    return found
