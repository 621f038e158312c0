"""One spool file: rows in, and out again in their order; what is written is on the disk.

Synchronous, for one thread at a time: whoever uses it does so from the spool's own. A group of
rows is one transaction, and one wait for the disk.

Source: SQLite, "Write-Ahead Logging" and PRAGMA synchronous: with FULL each commit is synced.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from relay.spool.lock import FILE_MODE
from relay.spool.named import Named
from relay.spool.opening import laid_out, opened
from relay.spool.row import ENVELOPE_BYTES, Row, Stream

SELECT = """
SELECT events.sequence, tag, type, event, spooled_at_ms, at_ms
FROM events LEFT JOIN tries ON tries.sequence = events.sequence
"""

# The last byte of SQLite's codes; the others say more.
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(slots=True)
class Changes:
    """What goes to the disk together.

    Args:
        kept: New rows.
        tried: Sequences of rows that are about to be sent, and when, in ms.
        gone: Sequences of rows that are in their streams.
    """

    kept: list[Row] = field(default_factory=list)
    tried: list[tuple[int, int]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StreamCensus:
    """What a file holds of one stream.

    Args:
        stream: Which.
        events: How many.
        size_bytes: How much room they take, nearly.
        oldest_at_ms: When the oldest was spooled.
    """

    stream: Stream
    events: int
    size_bytes: int
    oldest_at_ms: int


class SpoolFile:
    """An open file.

    Args:
        path: Its database.
        connection: To it.
        is_own: It is written to, and what is written must be found under its name.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, is_own: bool = False) -> None:
        self.path = path
        self._connection = connection
        # The database and its log; the index of the log is made anew where it is missing.
        self._named = Named(files_of(path)[:2] if is_own else ())

    @classmethod
    def make(cls, path: Path) -> "SpoolFile":
        """Make a new one, to be read by this user only.

        Raises:
            OSError: The directory does not take it.
            sqlite3.Error: The disk does not.
        """
        # SQLite gives what it adds the mode of the database.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
        return cls._own(path, laid_out(path))

    @classmethod
    def open(cls, path: Path) -> "SpoolFile":
        """Open one that is there, and that nobody else has; one that was never laid out is, now.

        Raises:
            UnreadableFile: It is not one of ours, or is damaged.
            OSError: It was removed meanwhile.
        """
        return cls._own(path, opened(path, lay_out=True))

    @classmethod
    def look_at(cls, path: Path) -> "SpoolFile":
        """Open one for reading only, while its owner may be writing.

        Raises:
            UnreadableFile: It is not one of ours, is damaged, or cannot be read.
        """
        return cls(path, opened(path, lay_out=False))

    @classmethod
    def _own(cls, path: Path, connection: sqlite3.Connection) -> "SpoolFile":
        try:
            return cls(path, connection, is_own=True)
        except OSError:
            connection.close()
            raise

    def write(self, changes: Changes) -> None:
        """Put changes onto the disk, all or nothing.

        Raises:
            sqlite3.Error: Nothing was changed.
            OSError: Somebody has removed the file, so new rows would go with this process. Either
                nothing was changed, or, where it went at this moment, all of it was written.
        """
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._write(changes)
            self._check_kept(changes)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        # Again: what is under its name now was so when it was synced.
        self._check_kept(changes)

    def check_name(self) -> None:
        """See whether what is written can be found by others.

        Raises:
            OSError: Somebody has removed the file.
        """
        self._named.check()

    def read(self, after: int, events: int, size_bytes: int) -> list[Row]:
        """Give the rows behind a sequence, in order.

        Args:
            after: A sequence; 0 begins with the first row.
            events: How many at most.
            size_bytes: How much they may take together, unless the first alone takes more.
        """
        return self._rows(
            f"{SELECT} WHERE events.sequence > ? ORDER BY events.sequence LIMIT ?",
            (after, events),
            size_bytes,
        )

    def read_stream(
        self, stream: Stream, bounds: tuple[int, int], events: int, size_bytes: int
    ) -> list[Row]:
        """Give the rows of one stream behind a sequence and up to another, in the same way."""
        return self._rows(
            f"{SELECT} WHERE tag = ? AND type = ? AND events.sequence > ? "
            "AND events.sequence <= ? ORDER BY events.sequence LIMIT ?",
            (*stream, *bounds, events),
            size_bytes,
        )

    def census(self) -> list[StreamCensus]:
        """Say what there is of each stream; it looks at every row."""
        found = self._connection.execute(
            "SELECT tag, type, count(*), sum(length(event)), min(spooled_at_ms) FROM events "
            "GROUP BY tag, type ORDER BY tag, type"
        )
        return [
            StreamCensus((tag, kind), events, size + ENVELOPE_BYTES * events, oldest)
            for tag, kind, events, size, oldest in found
        ]

    def last_sequence(self) -> int:
        """Give the sequence of the newest row; 0 where there is none."""
        found = self._connection.execute("SELECT max(sequence) FROM events").fetchone()
        return int(found[0] or 0)

    def first_at_ms(self) -> int | None:
        """Say when its first row was spooled; ``None`` where there is none."""
        found = self._connection.execute(
            "SELECT spooled_at_ms FROM events ORDER BY sequence LIMIT 1"
        ).fetchone()
        return int(found[0]) if found else None

    def disk_bytes(self) -> int:
        """Say how long its files are together."""
        return sum(path.stat().st_size for path in files_of(self.path) if path.exists())

    def close(self) -> None:
        """Close it; may be called twice."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def remove(self) -> None:
        """Close it and remove it; nothing in it is wanted any more.

        What somebody has put in its place stays.
        """
        try:
            self._named.check()
        except OSError:
            paths: tuple[Path, ...] = ()
        else:
            paths = files_of(self.path)
        self.close()
        for path in paths:
            with suppress(FileNotFoundError):
                path.unlink()

    def _check_kept(self, changes: Changes) -> None:
        if changes.kept:
            self._named.check()

    def _write(self, changes: Changes) -> None:
        many = self._connection.executemany
        many(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
            ((row.sequence, *row.stream, row.event, row.spooled_at_ms) for row in changes.kept),
        )
        tried = [
            (row.sequence, row.tried_at_ms) for row in changes.kept if row.tried_at_ms is not None
        ]
        many("INSERT OR REPLACE INTO tries VALUES (?, ?)", (*tried, *changes.tried))
        gone = [(sequence,) for sequence in changes.gone]
        many("DELETE FROM events WHERE sequence = ?", gone)
        many("DELETE FROM tries WHERE sequence = ?", gone)

    def _rows(self, query: str, values: Sequence[object], size_bytes: int) -> list[Row]:
        rows: list[Row] = []
        with closing(self._connection.execute(query, values)) as found:
            for sequence, tag, kind, event, spooled_at_ms, tried_at_ms in found:
                row = Row(sequence, (tag, kind), event, spooled_at_ms, tried_at_ms)
                size_bytes -= row.size_bytes
                if rows and size_bytes < 0:
                    break
                rows.append(row)
        return rows


def is_damaged(error: BaseException) -> bool:
    """Tell whether an error says that a file holds what no file of ours does."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def files_of(path: Path) -> tuple[Path, Path, Path]:
    """Name the files of a database, itself first: without it the others mean nothing."""
    return path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
