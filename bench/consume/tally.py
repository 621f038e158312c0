"""What a handler notes of the events it was given, the same in every worker that is compared.

Event ids in; a file out that says how many there were, and how far clocks were on the way. Writing
it is left to the last event, so that it falls into nobody's time.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from bench.consume.ask import Ask

# How many looks at the clocks a run has: enough to cut off its beginning and its end.
_MARKS = 200


class Tally:
    """Counts what one process handles.

    Args:
        ask: How many there are, and where the report goes.
    """

    def __init__(self, ask: Ask) -> None:
        self._events, self._path = ask.events, Path(ask.report)
        self._every = max(1, ask.events // _MARKS)
        self._is_quick = ask.handler == "no-op"
        self._ids: list[str] = []
        # Events, ns of time, ns of CPU of this process with all its threads.
        self._marks: list[tuple[int, int, int]] = []

    async def handle(self, event: dict[str, Any]) -> None:
        """Be the handler of a parsed event."""
        if not self._is_quick:
            await asyncio.sleep(0.001)
        self.note(event["id"])

    def note(self, event_id: str) -> None:
        """Note an event that is handled."""
        self._ids.append(event_id)
        count = len(self._ids)
        if count % self._every == 0:
            self._marks.append((count, time.monotonic_ns(), time.process_time_ns()))
        if count == self._events:
            self._report()

    def _report(self) -> None:
        said = {
            "handled": len(self._ids),
            "distinct": len(set(self._ids)),
            "marks": self._marks,
        }
        # Whoever waits for the file finds it whole.
        written = self._path.with_suffix(".part")
        written.write_text(json.dumps(said), "utf-8")
        written.rename(self._path)
