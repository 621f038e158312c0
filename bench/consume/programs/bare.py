"""The bare loop: one blocking XREADGROUP after the other, a JSON parser, one XACK for each read.

It is what one writes in ten lines over redis-py: no retries, no take-over, no bounds. The backlog
that it makes is the relay's own, entries as the gateway writes them.
"""

import asyncio
import itertools
import json
import sys
from typing import Any

import msgspec
import redis.asyncio
import uvloop
from redis import Redis

from bench.consume.ask import Ask, asked
from bench.consume.tally import Tally
from bench.entries import event_of
from bench.holds.numbered import body, event_id
from bench.unipile import EVENT_TYPE
from relay.contract.entry import encode
from relay.contract.keys import Keys

GROUP, COUNT = "bench", 100
KEYS = Keys()
TAG = "unipile"
STREAM = KEYS.stream(TAG, EVENT_TYPE)
_PAGE = 500


def fill(ask: Ask) -> None:
    """Put the backlog into the stream, registered as the gateway does it."""
    with Redis.from_url(ask.url) as client:
        client.sadd(KEYS.tags, TAG)
        first: Any = None
        for start in range(0, ask.events, _PAGE):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, min(start + _PAGE, ask.events)):
                flat = encode(event_of(event_id(number), body(number)))
                pipeline.xadd(STREAM, dict(zip(flat[::2], flat[1::2], strict=True)))
            added = pipeline.execute()
            first = first or added[0]
        client.hsetnx(KEYS.streams(TAG), EVENT_TYPE, b"1 " + first)
        client.xadd(KEYS.control, {"news": "type"}, maxlen=100)


async def work(ask: Ask) -> None:
    """Read, parse, handle, acknowledge; for ever."""
    parse = msgspec.json.decode if ask.settings.get("parser") == "msgspec" else json.loads
    handle = Tally(ask).handle
    client = redis.asyncio.Redis.from_url(ask.url)
    await client.xgroup_create(STREAM, GROUP, id="0")
    for _ in itertools.count():
        read: Any = await client.xreadgroup(GROUP, "me", {STREAM: ">"}, count=COUNT, block=1000)
        for _stream, entries in read:
            for _entry, given in entries:
                await handle(parse(given[b"data"]))
            await client.xack(STREAM, GROUP, *(entry for entry, _ in entries))


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1] == "fill":
        fill(asked())
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(asked()))


if __name__ == "__main__":
    main()
