"""``python -m consumers.processes.child N MODULE:NAME``: one worker process with a parent.

It works like a worker of its own until its parent says so over descriptor N, is gone, or it gets
SIGTERM; then it ends in order. It never outlives its parent for longer than that.
"""

import asyncio
import os
import socket
import sys
from pathlib import Path

import structlog

from consumers.app import WorkerProcess, load_settings, run_process
from consumers.calling.running import add_running_event
from consumers.processes.line import AT_ONCE, UP, Line
from consumers.starting.ending import Ending
from consumers.starting.load import find_worker
from relay.contract.display import warn
from relay.contract.duties import cancel, frames
from relay.contract.explain import FAILED, explain
from relay.contract.logs import configure_logs
from relay.contract.loop import run
from relay.contract.surroundings import with_running_dev

_log = structlog.get_logger("consumers.processes")


def main() -> int:
    """Run one worker process, and give its exit code."""
    try:
        _work(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
    except Exception as error:  # noqa: BLE001 - the edge: whatever it was, the parent starts another
        explanation = explain(error)
        if explanation is None:
            _log.error("process_failed", error=type(error).__name__, frames=frames(error))
            return FAILED
        warn(f"relay: {explanation.message}")
        return explanation.exit_code
    return 0


def _work(parent: socket.socket, target: str) -> None:
    settings = load_settings(with_running_dev(os.environ, Path()))
    configure_logs(settings.log_format, also=[add_running_event])
    # Before there is a loop: a user's module may run one while it is imported.
    worker = find_worker(target)

    async def work() -> None:
        ending = Ending()
        ending.listen()
        process = WorkerProcess(worker, settings)
        line = await Line.over(parent)
        listening = asyncio.create_task(_listen(line, ending), name="hear-parent")
        process.on_started = lambda: line.say(UP)
        try:
            await run_process(process, ending)
        finally:
            await cancel([listening])
            line.close()

    run(work())


async def _listen(line: Line, ending: Ending) -> None:
    while word := await line.hear():
        if word == AT_ONCE:
            ending.hurry()
        else:
            ending.begin()
    # Whoever can no longer be told to end must not work on.
    ending.begin()


if __name__ == "__main__":
    sys.exit(main())
