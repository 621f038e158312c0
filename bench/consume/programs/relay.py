"""The relay's own worker: ``relay worker bench.consume.programs.relay:worker``.

All its guarantees are on; no setting switches one off. Its backlog is that of ``bare.py``.
"""

from bench.consume.ask import asked
from bench.consume.tally import Tally
from bench.unipile import EVENT_TYPE
from consumers import Event, Worker

_ask = asked()
_tally = Tally(_ask)
worker = Worker(group="bench")


@worker.on(f"unipile:{EVENT_TYPE}", **_ask.settings)
async def handle(event: Event) -> None:
    """Parse an event and note it."""
    await _tally.handle(event.json())
