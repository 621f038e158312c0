"""The three parts of ``relay dev``: server, gateway, worker; started and stopped in order."""

import asyncio
import math
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.commands.dev.gateway import Listening, serving
from relay.commands.dev.secret import find_secret
from relay.commands.dev.words import announce
from relay.commands.dev.worker import make_worker
from relay.contract.display import tell
from relay.contract.duties import cancel
from relay.contract.errors import RelayError
from relay.contract.explain import CommandFailed
from relay.contract.logs import configure_logs
from relay.contract.signals import hear, replace_handler
from relay.embedded import DataDirectory, EmbeddedServer
from relay.settings import DEFAULT_SECRET_VARIABLE, Settings, load_settings
from relay.supervise import KeptProcess

# Senders of a trial are on this machine; nobody waits longer for a Ctrl-C.
GATEWAY_GRACE_SECONDS = 2.0
# Gateway and worker together.
PARTS_GRACE_SECONDS = 4.0
# Everything, counted from the signal; at worst the server is killed then.
END_SECONDS = 9.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line said.

    Args:
        port: Where deliveries come in, if it said so.
        admin_port: Where metrics and health are, if it said so.
        redis_port: Where the embedded server listens.
        data_dir: Where everything is kept.
        worker: The user's own worker, if there is one.
    """

    port: int | None
    admin_port: int | None
    redis_port: int
    data_dir: Path
    worker: str | None


class Ending:
    """The wish to end, and how long that may still take."""

    def __init__(self) -> None:
        self._wished = asyncio.Event()
        self._deadline = math.inf

    def wish(self) -> None:
        """End; said twice, it is no more urgent."""
        if not self._wished.is_set():
            self._deadline = asyncio.get_running_loop().time() + END_SECONDS
            self._wished.set()

    async def wished(self) -> None:
        """Return when it is time to end."""
        await self._wished.wait()

    def left_seconds(self) -> float:
        """Give the time until the deadline; without end where nobody wished for one."""
        return max(0.0, self._deadline - asyncio.get_running_loop().time())


async def run_all(wanted: Wanted) -> None:
    """Run all parts until a signal comes.

    Raises:
        RelayError: A part cannot start or cannot be kept running; all others are stopped.
        OSError: The gateway's address is not free.
    """
    # From here on a signal only says that it is time to end; a second one says it again.
    ending = Ending()
    for number in SIGNALS:
        hear(number, ending.wish)
    # Reading back many events takes the server a while.
    tell("Starting …")
    directory = DataDirectory(wanted.data_dir)
    server = EmbeddedServer(directory, wanted.redis_port)
    try:
        if await _completed(server.start(), ending):
            await _run_with(server, directory, wanted, ending)
    finally:
        await server.stop(ending.left_seconds())
    tell(f"Stopped. The events stay in {wanted.data_dir}.")
    for number in SIGNALS:  # all has ended: saying it again must not look like a failure
        replace_handler(number, signal.SIG_IGN)


async def _run_with(
    server: EmbeddedServer, directory: DataDirectory, wanted: Wanted, ending: Ending
) -> None:
    secret = find_secret(os.environ, directory)
    environ = {**os.environ, DEFAULT_SECRET_VARIABLE: secret.value}

    def read() -> Settings:
        return _settings(server, wanted, environ)

    settings = read()
    configure_logs(settings.log_format, log_level=settings.log_level)
    worker = make_worker(wanted.worker, server.url, os.environ)
    async with _side_by_side(serving(settings, read, environ), worker) as listening:
        announce(settings, listening, wanted.data_dir, wanted.redis_port, secret)
        trouble = await _until_over(server, worker, ending)
        tell("Stopping …")
    if trouble is not None:
        raise CommandFailed(str(trouble))


@asynccontextmanager
async def _side_by_side(
    serving_gateway: AbstractAsyncContextManager[Listening], worker: KeptProcess
) -> AsyncIterator[Listening]:
    """Listen within the block, and end gateway and worker at the same time, so both have longer."""
    async with AsyncExitStack() as gateway:
        listening = await gateway.enter_async_context(serving_gateway)
        try:
            yield listening
        finally:
            both = {asyncio.create_task(gateway.aclose()), asyncio.create_task(worker.stop())}
            done, late = await asyncio.wait(both, timeout=PARTS_GRACE_SECONDS)
            # A gateway that still waits for a hung store owes nobody a 200.
            await cancel(late)
            for task in done:
                task.result()


def _settings(server: EmbeddedServer, wanted: Wanted, environ: dict[str, str]) -> Settings:
    return load_settings(
        environ,
        redis={"url": server.url},
        port=wanted.port,
        admin_port=wanted.admin_port,
        grace_seconds=GATEWAY_GRACE_SECONDS,
    )


async def _completed(step: Coroutine[Any, Any, None], ending: Ending) -> bool:
    """Run a step to its end, unless it is time to end before."""
    working, stopping = asyncio.create_task(step), asyncio.create_task(ending.wished())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finished = working.done()
    await cancel([working, stopping])
    if finished:
        working.result()
    return finished


async def _until_over(
    server: EmbeddedServer, worker: KeptProcess, ending: Ending
) -> RelayError | None:
    """Wait for a signal, or for a part that cannot be kept running, and give its error."""
    stopping = asyncio.create_task(ending.wished())
    failing = [asyncio.create_task(server.failed()), asyncio.create_task(_run_worker(worker))]
    try:
        await asyncio.wait({stopping, *failing}, return_when=asyncio.FIRST_COMPLETED)
        return next((task.result() for task in failing if task.done()), None)
    finally:
        await cancel([stopping, *failing])


async def _run_worker(worker: KeptProcess) -> RelayError:
    try:
        await worker.start()
    except (RelayError, OSError) as error:
        return error if isinstance(error, RelayError) else RelayError(str(error))
    return await worker.failed()
