"""A worker's admin listener: who may be asked, and for what, where a port is given for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from consumers.metrics.families import WORKER
from relay.contract.config import WorkerSection
from relay.contract.tally import Tally, text
from relay.http.listening import listening


class Asked(Protocol):
    """What can be asked for health and counts: one worker process, or the parent of several."""

    def is_live(self) -> bool:
        """Tell whether it works, or will by itself."""

    async def is_ready(self) -> bool:
        """Tell whether it could handle an event now."""

    async def tally(self) -> Tally:
        """Give all that was counted, and how things stand now."""


@asynccontextmanager
async def answering(section: WorkerSection, asked: Asked) -> AsyncIterator[None]:
    """Answer with health and metrics within the block; with nothing where no port is given.

    Args:
        section: Says where.
        asked: Whom the pages are about.

    Raises:
        OSError: The address is not free.
    """
    if section.admin_port is None:
        yield
        return

    # Only here, since a web server takes a worker a fifth of its start, and most are never asked.
    from relay.http.admin import serving_admin  # noqa: PLC0415

    async def metrics() -> bytes:
        return text(await asked.tally(), WORKER)

    async with (
        listening(section.admin_host, section.admin_port, "admin") as sockets,
        serving_admin(sockets, asked.is_ready, metrics, is_live=asked.is_live),
    ):
        yield
