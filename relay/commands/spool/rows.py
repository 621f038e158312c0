"""The spool as rows to show."""

import time

from relay.spool.directory import Directory
from relay.spool.file import StreamCensus
from relay.spool.status import look


def rows_of(directory: Directory) -> list[dict[str, object]]:
    """Give a row per stream of each file, and one for each file without events.

    Raises:
        OSError: The directory cannot be read.
    """
    now_ms = time.time() * 1000
    return [
        {"file": file.name, "state": file.state, **_stream(census, now_ms)}
        for file in look(directory)
        for census in file.streams or (None,)
    ]


def _stream(census: StreamCensus | None, now_ms: float) -> dict[str, object]:
    if census is None:
        return {"tag": None, "type": None, "events": 0, "bytes": 0, "oldest_seconds": None}
    tag, event_type = census.stream
    return {
        "tag": tag,
        "type": event_type,
        "events": census.events,
        "bytes": census.size_bytes,
        "oldest_seconds": round(max(0.0, now_ms - census.oldest_at_ms) / 1000),
    }
