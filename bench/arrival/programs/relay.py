"""The relay's handler, at defaults: ``relay worker bench.arrival.programs.relay:worker``."""

from bench.arrival.starts import Starts
from bench.unipile import EVENT_TYPE
from consumers import Event, Worker

_starts = Starts()
worker = Worker(group="bench")


@worker.on(f"unipile:{EVENT_TYPE}")
async def handle(event: Event) -> None:
    """Note that it started."""
    _starts.note(event.id)
