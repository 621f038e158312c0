"""taskiq with taskiq-redis: a broker on a Redis stream, or on a list, under taskiq's own command.

The event is the task's argument, which taskiq's own serialiser parses, once. It has one process, as
all others have.

Source: https://taskiq-python.github.io/guide/cli.html, https://github.com/taskiq-python/taskiq-redis
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from bench.consume.ask import Ask, asked
from bench.consume.tally import Tally
from bench.holds.numbered import body

QUEUE = "taskiq"
_PAGE = 200
# Of the broker on a stream; all others are options of the command.
_OF_BROKER = ("xread_count",)

_ask = asked()
_tally = Tally(_ask)


def broker_of(ask: Ask) -> RedisStreamBroker | ListQueueBroker:
    """Make the broker that is asked for."""
    if ask.program.endswith("lists"):
        return ListQueueBroker(ask.url, queue_name=QUEUE)
    given = {name: ask.settings[name] for name in _OF_BROKER if name in ask.settings}
    return RedisStreamBroker(ask.url, queue_name=QUEUE, **given)


broker = broker_of(_ask)


@broker.task(task_name="handle")
async def handle(event: dict[str, Any]) -> None:
    """Note an event."""
    await _tally.handle(event)


async def fill(ask: Ask) -> None:
    """Send the backlog; starting the broker makes the group before it."""
    await broker.startup()
    for start in range(0, ask.events, _PAGE):
        numbers = range(start, min(start + _PAGE, ask.events))
        await asyncio.gather(*(handle.kiq(json.loads(body(number))) for number in numbers))
    await broker.shutdown()


def words(settings: dict[str, Any]) -> list[str]:
    """Write settings as options of its command: ``max_prefetch`` is ``--max-prefetch``."""
    found = ["worker", f"{__spec__.name}:broker", "--workers=1"]
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        if name not in _OF_BROKER:
            found.append(option if value is True else f"{option}={value}")
    return found


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1] == "fill":
        asyncio.run(fill(_ask))
        return
    command = str(Path(sys.executable).parent / "taskiq")
    os.execv(command, [command, *words(_ask.settings)])


if __name__ == "__main__":
    main()
