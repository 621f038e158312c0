"""A worker in a process of a benchmark's own, which counts what it handles."""

import asyncio
from collections import Counter

from bench.holds.jobs import Channel
from consumers import Event, Worker
from consumers.app import WorkerProcess
from consumers.settings import load_settings


def count_runs(channel: Channel, url: str, worker: Worker, pattern: str) -> tuple[int, int]:
    """Run a worker until told to stop; give how many events it handled, and in how many runs.

    Args:
        channel: Says when to stop.
        url: The store.
        worker: Is given the handler that counts.
        pattern: Of the streams that it is for.
    """
    seen: Counter[str] = Counter()

    @worker.on(pattern)
    async def handle(event: Event) -> None:
        seen[event.id] += 1

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_reader(channel.fileno(), stop.set)
        await WorkerProcess(worker, load_settings({"REDIS_URL": url})).run(stop)

    asyncio.run(run())
    return len(seen), seen.total()
