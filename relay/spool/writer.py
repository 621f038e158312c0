"""Changes of one spool file in, confirmation out, many to one wait for the disk.

What comes while the thread is busy goes together in its next transaction: no timer, no delay when
idle. A change is never taken back: a caller who is cancelled leaves it to be written.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor

from relay.spool.file import Changes, SpoolFile
from relay.spool.row import Row

# Of one transaction; beyond it the log of the database would grow long.
BATCH_EVENTS = 1024
BATCH_BYTES = 8 * 1024 * 1024


class Writer:
    """Writes to one file.

    Args:
        file: Which.
        thread: Runs one thing at a time; all that is done with the file is done there.
    """

    def __init__(self, file: SpoolFile, thread: Executor) -> None:
        self._file = file
        self._thread = thread
        self._waiting: deque[tuple[Changes, asyncio.Future[None]]] = deque()
        self._working: asyncio.Task[None] | None = None

    def keep(self, row: Row) -> asyncio.Future[None]:
        """Write a row; the future ends when it is on the disk, or with what the disk said."""
        return self._join(Changes(kept=[row]))

    def settle(
        self, *, tried: Sequence[tuple[int, int]] = (), gone: Sequence[int] = ()
    ) -> asyncio.Future[None]:
        """Write down what is about to be sent, and remove what is in its stream."""
        return self._join(Changes(tried=list(tried), gone=list(gone)))

    async def finish(self) -> None:
        """Return when all of it is written, or refused."""
        while self._working is not None:
            await asyncio.wait({self._working})

    def _join(self, changes: Changes) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append((changes, written))
        if self._working is None:
            # It begins after the requests that are ready in this turn of the loop. Not by the
            # loop's factory: a task that began at once could have ended before this.
            self._working = asyncio.Task(self._work(), loop=loop, name="spool-write")
        return written

    async def _work(self) -> None:
        try:
            while self._waiting:
                together, waiters = self._next()
                await self._write(together, waiters)
        finally:
            self._working = None

    async def _write(self, together: Changes, waiters: list[asyncio.Future[None]]) -> None:
        loop = asyncio.get_running_loop()
        error: Exception | None = None
        try:
            await loop.run_in_executor(self._thread, self._file.write, together)
        except Exception as failure:  # noqa: BLE001 - every waiting request must get its answer
            error = failure
        for waiter in waiters:
            if waiter.done():  # the caller is gone; its event is kept all the same
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def _next(self) -> tuple[Changes, list[asyncio.Future[None]]]:
        together, waiters, size_bytes = Changes(), list[asyncio.Future[None]](), 0
        while self._waiting and len(together.kept) < BATCH_EVENTS and size_bytes < BATCH_BYTES:
            changes, waiter = self._waiting.popleft()
            together.kept += changes.kept
            together.tried += changes.tried
            together.gone += changes.gone
            size_bytes += sum(row.size_bytes for row in changes.kept)
            waiters.append(waiter)
        return together, waiters
