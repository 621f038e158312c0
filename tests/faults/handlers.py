"""The worker's side: a handler that writes down what it has done. Its directory is the run's."""

import asyncio
from pathlib import Path

from consumers import Event, Worker
from tests.records import Record

_handled = Record(Path("handled.log"))

worker = Worker(group="crm")


@worker.on("unipile:*", concurrency=20)
async def handle(event: Event) -> None:
    """Take a moment, so that a kill finds something in hand."""
    await asyncio.sleep(0.002)
    _handled.write(event.id, event.entry_id, event.attempt)
