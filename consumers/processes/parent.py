"""The parent of the worker processes: signals in, processes out.

It ends only when all its children have. What is wrong with the user's module is said once, by
the first of them, before there are others.

Source: docs/adr/0015.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from consumers.admin import answering
from consumers.metrics.families import RESTARTS, WORKER
from consumers.processes.changes import Changes
from consumers.processes.kept import KeptWorker, Wanted, WorkerDidNotStart
from consumers.starting.ending import Ending
from relay.contract.config import WorkerSection
from relay.contract.duties import cancel
from relay.contract.tally import Tally, total
from relay.supervise.line import Lines

_log = structlog.get_logger("consumers.processes")


async def run_processes(
    wanted: Wanted,
    processes: int,
    changes: Changes | None = None,
    section: WorkerSection | None = None,
) -> None:
    """Run worker processes until SIGTERM or SIGINT; a second one ends them at once.

    Args:
        wanted: What each of them is.
        processes: How many.
        changes: Tells when they are to be started anew, if ever.
        section: Says where health and metrics are asked for, if anywhere.

    Raises:
        WorkerDidNotStart: The first one did not come up; there are no others.
        OSError: It could not be started, or the admin listener's address is not free.
    """
    ending = Ending()
    ending.listen()
    parent = _Parent(wanted, processes, ending)
    async with answering(section or WorkerSection(), parent):
        await parent.run(changes)
    ending.over()


class _Parent:
    def __init__(self, wanted: Wanted, processes: int, ending: Ending) -> None:
        self._ending = ending
        self._lines = Lines(WORKER)
        self._workers = [
            KeptWorker(f"worker-{number + 1}", wanted, self._lines) for number in range(processes)
        ]
        ending.on_hurry = self._hurry

    async def run(self, changes: Changes | None) -> None:
        try:
            await self._start()
            if changes is not None:
                await self._reload_always(changes)
            await self._ending.wished.wait()
        finally:
            await self._stop()

    def is_live(self) -> bool:
        """Tell whether what has ended is started again: as long as this process runs."""
        return True

    async def is_ready(self) -> bool:
        """Tell whether any of them could handle an event now."""
        return bool(await self._lines.is_ready())

    async def tally(self) -> Tally:
        """Sum up what all have counted, those that have ended too."""
        restarts = sum(worker.restarts for worker in self._workers)
        own = Tally(counters=[(RESTARTS.name, (), restarts)])
        return total([await self._lines.tally(), own], WORKER)

    def _hurry(self) -> None:
        for worker in self._workers:
            worker.hurry()

    async def _start(self) -> None:
        """Start one alone, and the others when that has shown that they can be."""
        if await self._unless_ending(self._workers[0].start()):
            for worker in self._workers[1:]:
                worker.begin()

    async def _stop(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    async def _reload_always(self, changes: Changes) -> None:
        while await self._unless_ending(changes.wait()):
            changed = changes.take()
            _log.info("code_changed", files=len(changed), first=changed[0])
            await self._stop()
            try:
                await self._start()
            except WorkerDidNotStart as error:
                # It has said why. The next change may mend it.
                _log.warning("code_unusable", exit_code=error.exit_code)

    async def _unless_ending(self, step: Coroutine[Any, Any, None]) -> bool:
        """Take a step to its end, unless it is time to end before."""
        working = asyncio.create_task(step, name="step")
        ending = asyncio.create_task(self._ending.wished.wait(), name="ending")
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel([working, ending])
        if self._ending.wished.is_set():
            if not working.cancelled():
                working.exception()  # looked at: nobody asks any more
            return False
        working.result()
        return True
