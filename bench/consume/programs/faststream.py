"""FastStream: a subscriber of a Redis stream with a consumer group.

Messages are published as JSON and decoded by FastStream itself, once.

Source: https://faststream.ag2.ai/latest/redis/streams/groups/
"""

import asyncio
import json
import sys
from typing import Any

import uvloop
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

from bench.consume.ask import Ask, asked
from bench.consume.tally import Tally
from bench.holds.numbered import body

STREAM, GROUP = "events", "bench"
_PAGE = 500


async def fill(ask: Ask) -> None:
    """Publish the backlog, and make the group before it, as the subscriber would."""
    async with RedisBroker(ask.url, logger=None) as broker:
        client = broker._connection  # noqa: SLF001 - it has no public way to a pipeline
        await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        for start in range(0, ask.events, _PAGE):
            async with client.pipeline(transaction=False) as pipeline:
                for number in range(start, min(start + _PAGE, ask.events)):
                    message = json.loads(body(number))
                    await broker.publish(message, stream=STREAM, pipeline=pipeline)
                await pipeline.execute()


def app_of(ask: Ask) -> FastStream:
    """Declare the worker."""
    settings = dict(ask.settings)
    of_stream = {
        name: settings.pop(name) for name in ("max_records", "polling_interval") if name in settings
    }
    of_broker = {name: settings.pop(name) for name in ("logger", "apply_types") if name in settings}
    broker = RedisBroker(ask.url, **of_broker)
    tally = Tally(ask)

    @broker.subscriber(
        stream=StreamSub(STREAM, group=GROUP, consumer="me", **of_stream), **settings
    )
    async def handle(message: dict[str, Any]) -> None:
        await tally.handle(message)

    return FastStream(broker, **({"logger": None} if "logger" in of_broker else {}))


def main() -> None:
    """Do what the command line says."""
    ask = asked()
    if sys.argv[1] == "fill":
        asyncio.run(fill(ask))
        return
    # As its own command line does it wherever there is one.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app_of(ask).run())


if __name__ == "__main__":
    main()
