"""``python -m relay.processes N``: one gateway process, told what to be over descriptor N.

It takes deliveries on sockets that it has inherited until its parent says so, is gone, or it gets
SIGTERM; then it stops accepting at once, finishes what is in flight, and ends with 0. It never
outlives its parent for longer than that.
"""

import asyncio
import gc
import signal
import socket
import sys

import structlog

from relay.app import Gateway, serving_on
from relay.contract.duties import cancel
from relay.contract.frames import frames
from relay.contract.logs import configure_logs
from relay.contract.loop import run
from relay.processes.configuration import make_gateway
from relay.processes.messages import Begin
from relay.supervise.messages import (
    Accepting,
    AskReady,
    AskTally,
    Channel,
    Counted,
    Ready,
    RunOut,
)

# What the parent knows at most too little of, when this process is killed.
TELL_SECONDS = 1.0
# A delivery makes a dozen objects that refer to others, and no circles: looking for circles as
# often as Python does by itself costs more than it finds.
GC_THRESHOLDS = (20_000, 20, 50)
FAILED = 1

_log = structlog.get_logger("relay.processes")


def main() -> None:
    """Run one gateway process."""
    try:
        run(_run(socket.socket(fileno=int(sys.argv[1]))))
    except Exception as error:  # noqa: BLE001 - the edge: the message may hold a secret
        _log.error("process_failed", error=type(error).__name__, frames=frames(error))
        sys.exit(FAILED)


async def _run(parent: socket.socket) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    # For the parent only, even where somebody sends it to all.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    channel = await Channel.over(parent, Begin)
    begin = await channel.receive()
    if isinstance(begin, Begin):
        await _serve(begin, channel, end)
    await channel.finish()


async def _serve(begin: Begin, channel: Channel, end: asyncio.Event) -> None:
    configure_logs(begin.log_format, log_level=begin.log_level)
    settings, gateway = make_gateway(begin)
    sockets = [socket.socket(fileno=descriptor) for descriptor in begin.listening]
    talking = [
        asyncio.create_task(_answer(channel, gateway, end), name="answer-parent"),
        asyncio.create_task(_tell(channel, gateway), name="tell-parent"),
    ]
    async with serving_on(gateway, settings, sockets):
        # What is there now stays for good, and need not be looked through again and again.
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        await channel.send(Accepting())
        await end.wait()
    await cancel(talking)
    await channel.send(Counted(gateway.metrics.tally(), asked=False))


async def _answer(channel: Channel, gateway: Gateway, end: asyncio.Event) -> None:
    try:
        while (message := await channel.receive()) is not None:
            if isinstance(message, RunOut):
                end.set()
            if isinstance(message, AskTally):
                await channel.send(Counted(gateway.metrics.tally(), asked=True))
            if isinstance(message, AskReady):
                await channel.send(Ready(await gateway.readiness.is_ready()))
    finally:
        # Whoever can no longer be told to end must not serve on.
        end.set()


async def _tell(channel: Channel, gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(TELL_SECONDS)
        await channel.send(Counted(gateway.metrics.tally(), asked=False))
