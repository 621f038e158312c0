"""Opens spool files, and knows ours from others: what is somebody else's is not written to.

Source: SQLite, PRAGMA application_id and user_version; WAL stays with the file once it is set.
"""

import sqlite3
from pathlib import Path

from relay.contract.errors import RelayError

# Says that a database is a spool of ours, and in which form.
APPLICATION_ID = 0x52535031
VERSION = 1
# `relay spool status` may be reading.
BUSY_SECONDS = 5.0

# As one step: what is killed in the middle of it has made nothing.
SCHEMA = f"""
BEGIN IMMEDIATE;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  tag TEXT NOT NULL,
  type TEXT NOT NULL,
  event BLOB NOT NULL,
  spooled_at_ms INTEGER NOT NULL
);
CREATE INDEX events_by_stream ON events (tag, type, sequence);
CREATE TABLE tries (sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);
COMMIT;
"""


class UnreadableFile(RelayError):
    """A file is no spool of ours, or is damaged; it is left where it is."""


class UnopenedFile(UnreadableFile):
    """The system did not let it be opened or read; it may do so later."""


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = 1")  # macOS: without it the disk may not have it yet
    return connection


def _lay_out(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA)


def laid_out(path: Path) -> sqlite3.Connection:
    """Open an empty file, and make it one of ours.

    Raises:
        sqlite3.Error: The disk does not take it.
    """
    connection = _connect(path)
    try:
        _lay_out(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def opened(path: Path, *, lay_out: bool) -> sqlite3.Connection:
    """Open a file of ours.

    Args:
        path: Its database.
        lay_out: It is one's own: it may be written to, and one whose maker was killed before
            there was anything in it is laid out. Else it can only be looked at.

    Raises:
        UnreadableFile: It is not one of ours, or is damaged.
    """
    try:
        connection = _connect(path)
    except sqlite3.Error as error:
        raise _unreadable(error) from None
    try:
        if not lay_out:
            connection.execute("PRAGMA query_only = 1")
        elif _is_blank(connection):
            _lay_out(connection)
        _check(connection)
    except (sqlite3.Error, UnreadableFile) as error:
        connection.close()
        raise _unreadable(error) from None
    return connection


def _unreadable(error: Exception) -> UnreadableFile:
    """Sort what stopped the opening: too many open files and missing rights pass by themselves."""
    passes = isinstance(error, sqlite3.OperationalError)
    return (UnopenedFile if passes else UnreadableFile)(type(error).__name__)


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Tell whether its maker was killed before there was anything in it."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not tables and _marks(connection) == (0, 0)


def _check(connection: sqlite3.Connection) -> None:
    """Look for our marks before anything is asked of a file that may be somebody else's.

    Raises:
        UnreadableFile: It has not got them.
        sqlite3.Error: It is no database, or a damaged one.
    """
    if _marks(connection) != (APPLICATION_ID, VERSION):
        raise UnreadableFile
    connection.execute("SELECT count(*) FROM tries").fetchone()


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application_id, version
