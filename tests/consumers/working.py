"""A whole worker process, run inside the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers import Worker
from consumers.app import WorkerProcess
from consumers.settings import Settings


def settings_for(url: str, **worker: float) -> Settings:
    """Give the settings of a worker; the arguments are those of ``[worker]``."""
    return Settings.load({}, {"worker": worker}, {"redis": {"url": url}})


@asynccontextmanager
async def running(worker: Worker, url: str, **settings: float) -> AsyncIterator[WorkerProcess]:
    """Have a worker at work within the block, and leave it as SIGTERM does."""
    process = WorkerProcess(worker, settings_for(url, **settings))
    stop = asyncio.Event()
    task = asyncio.create_task(process.run(stop))
    try:
        yield process
    finally:
        stop.set()
        await task
