"""The bare reader: one blocking XREADGROUP after the other, one XACK for each read."""

import asyncio
import itertools
import sys
from typing import Any

import redis.asyncio
import uvloop

from bench.arrival.starts import Starts


async def work(url: str, stream: str, group: str) -> None:
    """Read, note, acknowledge; for ever."""
    client, starts = redis.asyncio.Redis.from_url(url), Starts()
    for _ in itertools.count():
        read: Any = await client.xreadgroup(group, "me", {stream: ">"}, count=100, block=1000)
        for _stream, entries in read or ():
            for _entry, fields in entries:
                starts.note(fields[b"id"].decode())
            await client.xack(stream, group, *(entry for entry, _ in entries))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(*sys.argv[1:]))
