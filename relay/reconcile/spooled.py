"""Looks for events in the spool of this machine, beside the gateways that write to it.

Each file is read in short steps, which hold up nobody; a file that cannot be read is named.
"""

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from relay.contract.keys import endpoint_of
from relay.spool.directory import Directory
from relay.spool.file import SpoolFile
from relay.spool.opening import UnreadableFile
from relay.spool.row import Row, UnreadableRow, decode

ROWS_PER_STEP = 500
BYTES_PER_STEP = 4 * 1024 * 1024


@dataclass(slots=True)
class Spooled:
    """What was found.

    Args:
        found: Id of an event -> whether something proves it.
        unreadable: Files, or rows of them, that could not be read.
    """

    found: dict[str, bool] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def find_spooled(directory: Directory, endpoint: str, ids: Collection[str]) -> Spooled:
    """Say which events lie in the spool; it takes as long as the disk does.

    Args:
        directory: Where the spool is.
        endpoint: Whose events.
        ids: Their ids.

    Raises:
        OSError: The directory cannot be read.
    """
    spooled = Spooled()
    for name in directory.names():
        path = directory.database(name)
        try:
            for row in _rows(path, endpoint):
                _note(row, path, ids, spooled)
        except (UnreadableFile, sqlite3.Error):
            # One that has gone was drained; one that was never laid out is no worse than empty.
            if path.exists() and path.stat().st_size:
                spooled.unreadable.append(path.name)
    return spooled


def _note(row: Row, path: Path, ids: Collection[str], spooled: Spooled) -> None:
    try:
        event = decode(row.event).event
    except UnreadableRow:
        spooled.unreadable.append(f"{path.name} row {row.sequence}")
        return
    if event.id in ids:
        is_proved = event.assurance != "none"
        spooled.found[event.id] = spooled.found.get(event.id, False) or is_proved


def _rows(path: Path, endpoint: str) -> Iterator[Row]:
    """Give the rows of an endpoint that are in a file now."""
    if not path.exists():  # of some their lock is all that is left
        return
    file = SpoolFile.look_at(path)
    try:
        last = file.last_sequence()
        for census in file.census():
            if endpoint_of(census.stream[0]) != endpoint:
                continue
            after = 0
            while step := file.read_stream(
                census.stream, (after, last), ROWS_PER_STEP, BYTES_PER_STEP
            ):
                yield from step
                after = step[-1].sequence
    finally:
        file.close()
