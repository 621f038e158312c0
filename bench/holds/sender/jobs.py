"""The senders as jobs: what to send comes in, the tally goes out."""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import uvloop

from bench.holds.jobs import Channel
from bench.holds.numbered import junk
from bench.holds.sender.closed import ClosedLoop
from bench.holds.sender.opened import OpenLoop, Pool, Stretch
from bench.holds.sender.tally import Tally

ResultT = TypeVar("ResultT")

_FOR_EVER_SECONDS = 86_400.0


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine on the loop that the gateway uses too."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def send_events(channel: Channel, port: int, events: int, connections: int) -> Tally:
    """Send a number of deliveries in a closed loop; says how many have their outcome."""
    loop = ClosedLoop(port, events=events, connections=connections, progress=channel.say)
    return run(loop.run())


def send_seconds(
    channel: Channel, port: int, first: int, seconds: float, connections: int
) -> Tally:
    """Send for some seconds in a closed loop, from a number on."""
    loop = ClosedLoop(
        port, first=first, seconds=seconds, connections=connections, progress=channel.say
    )
    return run(loop.run())


def send_until_told(channel: Channel, port: int, first: int, rate: float, pool: Pool) -> Tally:
    """Send at a rate, from a number on, until told anything; says how many have their outcome."""
    plan = [Stretch(rate, _FOR_EVER_SECONDS)]
    return run(_until_told(channel, OpenLoop(port, plan, pool, first=first, progress=channel.say)))


async def _until_told(channel: Channel, loop: OpenLoop) -> Tally:
    asyncio.get_running_loop().add_reader(channel.fileno(), loop.stop)
    try:
        return await loop.run()
    finally:
        asyncio.get_running_loop().remove_reader(channel.fileno())
        # uvloop has it never wait; the tally of a long run is more than the pipe takes at once.
        os.set_blocking(channel.fileno(), True)


def send_plan(
    channel: Channel, port: int, first: int, plan: Sequence[Stretch], pool: Pool
) -> Tally:
    """Send to a plan, from a number on; says how many deliveries have their outcome."""
    return run(OpenLoop(port, plan, pool, first=first, progress=channel.say).run())


def send_junk(
    channel: Channel, port: int, first: int, plan: Sequence[Stretch], pool: Pool
) -> Tally:
    """Send to a plan what is to be refused, for a different reason each time."""
    loop = OpenLoop(port, plan, pool, first=first, make=junk, progress=channel.say)
    return run(loop.run())
