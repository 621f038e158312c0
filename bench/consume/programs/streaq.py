"""streaq: a worker of tasks, under streaq's own command.

The task's argument is the body as it came, which the handler parses.

Source: https://streaq.readthedocs.io/
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
from streaq import Worker

from bench.consume.ask import Ask, asked
from bench.consume.tally import Tally
from bench.holds.numbered import body

_PAGE = 200
# Of the task; all others are the worker's.
_OF_TASK = ("ttl", "silent")

_ask = asked()
_tally = Tally(_ask)


def worker_of(ask: Ask) -> "Worker[Any]":
    """Make the worker with its settings."""
    given: dict[str, Any] = {
        name: value for name, value in ask.settings.items() if name not in _OF_TASK
    }
    if given.pop("serializer", "") == "msgpack":
        given |= {"serializer": msgspec.msgpack.encode, "deserializer": msgspec.msgpack.decode}
    if given.pop("uvloop", False):
        given["anyio_kwargs"] = {"use_uvloop": True}
    return Worker(redis_url=ask.url, **given)


worker = worker_of(_ask)


@worker.task(**{name: _ask.settings[name] for name in _OF_TASK if name in _ask.settings})
async def handle(event: bytes) -> None:
    """Parse an event and note it."""
    await _tally.handle(json.loads(event))


async def fill(ask: Ask) -> None:
    """Send the backlog."""
    async with worker:
        for start in range(0, ask.events, _PAGE):
            numbers = range(start, min(start + _PAGE, ask.events))
            await worker.enqueue_many([handle.enqueue(body(number)) for number in numbers])


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1] == "fill":
        asyncio.run(fill(_ask))
        return
    command = str(Path(sys.executable).parent / "streaq")
    os.execv(command, [command, "run", f"{__spec__.name}:worker"])


if __name__ == "__main__":
    main()
