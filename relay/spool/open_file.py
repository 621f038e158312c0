"""One spool file that this process holds: its lock, its writer, and how far it is drained."""

from collections import Counter
from concurrent.futures import Executor
from dataclasses import dataclass, field

from relay.spool.file import SpoolFile, StreamCensus
from relay.spool.lock import Lock
from relay.spool.row import Row, Stream
from relay.spool.writer import Writer


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was just locked and opened.

    Args:
        name: Its name in the directory.
        lock: Held.
        file: Open.
        census: What is in it.
        last_sequence: Of its newest row.
    """

    name: str
    lock: Lock
    file: SpoolFile
    census: list[StreamCensus] = field(default_factory=list)
    last_sequence: int = 0


class OpenFile:
    """What is known of a file beside what lies in it.

    Args:
        taken: Lock and file.
        thread: Does all that is done with the file.
    """

    def __init__(self, taken: Taken, thread: Executor) -> None:
        self.name = taken.name
        self.lock = taken.lock
        self.file = taken.file
        self.writer = Writer(taken.file, thread)
        self.events = sum(each.events for each in taken.census)
        self.streams: Counter[Stream] = Counter({each.stream: each.events for each in taken.census})
        self.size_bytes = sum(each.size_bytes for each in taken.census)
        self.oldest_at_ms = min((each.oldest_at_ms for each in taken.census), default=None)
        self.last_sequence = taken.last_sequence
        # All up to here were sent, or belong to a stream that is held up.
        self.cursor = 0
        # Rows in their streams that are not yet removed, or could not be.
        self.gone: set[int] = set()
        # The disk gave what was asked for last.
        self.is_readable = True
        # Rows that may be there, and of which that was not said, since the file has lost its name.
        self.refused: set[int] = set()
        # Rows that nobody can read; they stay.
        self.unreadable: set[int] = set()

    def count(self, row: Row) -> None:
        """Count a row that comes in."""
        self.events += 1
        self.streams[row.stream] += 1
        self.size_bytes += row.size_bytes
        if self.oldest_at_ms is None:
            self.oldest_at_ms = row.spooled_at_ms

    def discount(self, row: Row) -> None:
        """Count a row that is here no more."""
        self.events -= 1
        self.streams[row.stream] -= 1
        self.size_bytes -= row.size_bytes
        if self.events <= 0:
            self.oldest_at_ms = None

    def is_done_with(self, row: Row) -> bool:
        """Tell whether a row is only still here."""
        return row.sequence in self.gone or row.sequence in self.unreadable
