"""``python -m consumers.processes N MODULE:NAME``: one worker process with a parent.

It works like a worker of its own until its parent says so over descriptor N, is gone, or it gets
SIGTERM; then it ends in order. It never outlives its parent for longer than that.
"""

import asyncio
import os
import socket
import sys
from pathlib import Path

from consumers.app import WorkerProcess
from consumers.calling.running import add_running_event
from consumers.settings import load_settings
from consumers.starting.ending import Ending
from consumers.starting.load import find_worker
from consumers.starting.process import run_process, say_failure
from relay.contract.duties import cancel
from relay.contract.logs import configure_logs
from relay.contract.loop import run
from relay.contract.surroundings import with_running_dev
from relay.supervise.messages import (
    Accepting,
    AskReady,
    AskTally,
    AtOnce,
    Channel,
    Counted,
    Ready,
    RunOut,
)

# What the parent knows at most too little of, when this process is killed.
TELL_SECONDS = 1.0


def main() -> int:
    """Run one worker process, and give its exit code."""
    try:
        _work(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
    except Exception as error:  # noqa: BLE001 - the edge: whatever it was, the parent starts another
        return say_failure(error)
    return 0


def _work(parent: socket.socket, target: str) -> None:
    settings = load_settings(with_running_dev(os.environ, Path()))
    configure_logs(settings.log_format, log_level=settings.log_level, also=[add_running_event])
    # Before there is a loop: a user's module may run one while it is imported.
    worker = find_worker(target)

    async def work() -> None:
        ending = Ending()
        ending.listen()
        process = WorkerProcess(worker, settings)
        channel = await Channel.over(parent)
        talking = [
            asyncio.create_task(_listen(channel, process, ending), name="hear-parent"),
            asyncio.create_task(_tell(channel, process), name="tell-parent"),
        ]
        process.on_started = lambda: channel.say(Accepting())

        async def farewell() -> None:
            await cancel(talking)
            # Not sent: a parent that hears nothing must not keep this process.
            channel.say(Counted(await process.tally(), asked=False))
            await channel.finish()

        await run_process(process, ending, farewell)

    run(work())


async def _listen(channel: Channel, process: WorkerProcess, ending: Ending) -> None:
    while (message := await channel.receive()) is not None:
        match message:
            case RunOut():
                ending.begin()
            case AtOnce():
                ending.hurry()
            case AskTally():
                await channel.send(Counted(await process.tally(), asked=True))
            case AskReady():
                await channel.send(Ready(await process.is_ready()))
    # Whoever can no longer be told to end must not work on.
    ending.begin()


async def _tell(channel: Channel, process: WorkerProcess) -> None:
    while True:
        await asyncio.sleep(TELL_SECONDS)
        await channel.send(Counted(await process.tally(), asked=False))
