"""The program of a handler's process: runs one event after the other, as it is told.

It ends when the worker is gone, however that came about.
"""

import asyncio
import ctypes
import os
import pickle
import signal
import socket
import sys

import msgspec
import structlog

from consumers.calling.importable import find_function
from consumers.calling.running import add_running_event
from consumers.handle import Runner
from consumers.isolate.wire import Greeting, framed, read_call, read_frame, written_reply
from consumers.outcome import Outcome
from consumers.worker import Handler
from relay.contract.frames import frames
from relay.contract.logs import configure_logs
from relay.contract.loop import run
from relay.contract.patterns import Pattern

PR_SET_PDEATHSIG = 1
READY = b"ready"
FAILED = 1

_log = structlog.get_logger("consumers.isolate")


def main(fd: int, parent: int) -> None:
    """Serve the worker until it has no more to ask.

    Args:
        fd: The socket over which it asks.
        parent: The worker's process id.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    _die_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The worker decides when this process ends. A function and not SIG_IGN, which programs
        # that the handler starts would inherit.
        signal.signal(number, _pass_over)
    sys.exit(run(_serve(socket.socket(fileno=fd))))


def _pass_over(*_: object) -> None:
    """Do nothing on a signal."""


def _die_with(parent: int) -> None:
    """Have the kernel kill this process with its parent, also while native code hangs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(FAILED)


async def _serve(connection: socket.socket) -> int:
    connection.set_inheritable(False)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    try:
        runner = _prepared(msgspec.msgpack.decode(await read_frame(reader), type=Greeting))
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything
        # Not the exception itself: its message may quote a secret.
        _log.error("handler_import_failed", error=type(error).__name__, frames=frames(error))
        return FAILED
    writer.write(framed(READY))
    while True:
        try:
            event = read_call(await read_frame(reader))
        except (EOFError, OSError):
            return 0  # the worker asks no more
        running = asyncio.create_task(runner.run(event))
        await _until_ended(running, reader)
        if running.exception() is not None:
            return FAILED  # the handler has asked for the end of the process
        writer.write(framed(written_reply(running.result())))


def _prepared(greeting: Greeting) -> Runner:
    sys.path[:] = greeting.path
    configure_logs(greeting.log_format, log_level=greeting.log_level, also=[add_running_event])
    handler = Handler(
        pattern=Pattern("*", "*"),
        function=find_function(greeting.module, greeting.name),
        retry=pickle.loads(greeting.retry),  # noqa: S301 - it comes from the worker itself
        timeout_seconds=None,  # the worker watches over it
        concurrency=1,
        read_ahead=0,
        accept_unverified=True,  # the worker has sorted them out
        payload_at=greeting.payload_at,
    )
    return Runner(handler)


async def _until_ended(running: asyncio.Task[Outcome], reader: asyncio.StreamReader) -> None:
    """Wait for the end of a run; end with the worker, whatever the run is at."""
    farewell = asyncio.create_task(reader.read(1))
    await asyncio.wait({running, farewell}, return_when=asyncio.FIRST_COMPLETED)
    if farewell.done():  # nothing is said in the middle of a run
        os._exit(FAILED)
    farewell.cancel()
    await asyncio.wait({farewell})
