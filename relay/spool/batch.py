"""Rows of several streams that are held up, tried again together."""

from relay.spool.open_file import OpenFile
from relay.spool.row import Row, Stream


class Batch:
    """Collects rows of one file, as many as go to the store at once.

    Args:
        events: How many those are at most.
        size_bytes: From which length on there is room for no other stream.
    """

    def __init__(self, events: int, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        # How many more rows there may be.
        self.room = events
        # Where the rows are; none while there are none.
        self.file: OpenFile | None = None
        # The rows of each stream, in their order.
        self.streams: dict[Stream, list[Row]] = {}

    def add(self, file: OpenFile, rows: list[Row]) -> bool:
        """Take a stream's rows along, unless they are in another file; say if more may come."""
        if self.file not in {None, file}:
            return False
        self.file = file
        self.streams[rows[0].stream] = rows
        self.room -= len(rows)
        self._size_bytes -= sum(row.size_bytes for row in rows)
        return self.room > 0 and self._size_bytes > 0

    def in_order(self) -> list[Row]:
        """Give all rows, in the order of the file."""
        rows = (row for several in self.streams.values() for row in several)
        return sorted(rows, key=lambda row: row.sequence)
