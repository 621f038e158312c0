"""arq: a worker of jobs, started as its own command starts one.

The job's argument is the body as it came, which the handler parses.

Source: https://arq-docs.helpmanuel.io/
"""

import asyncio
import json
import logging.config
import sys
from typing import Any

import msgspec
import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.logs import default_log_config
from arq.worker import Worker

from bench.consume.ask import Ask, asked
from bench.consume.tally import Tally
from bench.holds.numbered import body

_PAGE = 100
_tally = Tally(asked())


async def handle(_context: dict[str, Any], event: bytes) -> None:
    """Parse an event and note it."""
    await _tally.handle(json.loads(event))


def serializers(ask: Ask) -> dict[str, Any]:
    """Give what jobs are written and read with, if it is not pickle."""
    if ask.settings.get("serializer") != "msgpack":
        return {}
    return {"job_serializer": msgspec.msgpack.encode, "job_deserializer": msgspec.msgpack.decode}


async def fill(ask: Ask) -> None:
    """Send the backlog."""
    pool = await create_pool(RedisSettings.from_dsn(ask.url), **serializers(ask))
    for start in range(0, ask.events, _PAGE):
        numbers = range(start, min(start + _PAGE, ask.events))
        await asyncio.gather(*(pool.enqueue_job("handle", body(number)) for number in numbers))
    await pool.aclose()


def work(ask: Ask) -> None:
    """Run the worker."""
    settings = {name: value for name, value in ask.settings.items() if name != "serializer"}
    if settings.pop("logs", True):
        logging.config.dictConfig(default_log_config(verbose=False))
    if settings.pop("uvloop", False):
        asyncio.set_event_loop(uvloop.new_event_loop())
    redis = RedisSettings.from_dsn(ask.url)
    Worker([handle], redis_settings=redis, **serializers(ask), **settings).run()


def main() -> None:
    """Do what the command line says."""
    ask = asked()
    if sys.argv[1] == "fill":
        asyncio.run(fill(ask))
    else:
        work(ask)


if __name__ == "__main__":
    main()
