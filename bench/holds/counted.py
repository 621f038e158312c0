"""A worker whose handler writes down each event that it has handled, for benchmarks.

BENCH_BOOK names the file; several processes may write it at once.
"""

import asyncio
import os

from consumers import Event, Worker

BOOK_VARIABLE = "BENCH_BOOK"
GROUP = "counted"
# Long enough that an end finds some of them running.
HANDLING_SECONDS = 0.02

worker = Worker(group=GROUP)
# Whoever only wants the names above need not say where.
_book = os.open(
    os.environ.get(BOOK_VARIABLE, os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
)


@worker.on("unipile:*", concurrency=20, read_ahead=100)
async def count(event: Event) -> None:
    """Take a moment, and write the event's id down."""
    await asyncio.sleep(HANDLING_SECONDS)
    os.write(_book, f"{event.id}\n".encode())
