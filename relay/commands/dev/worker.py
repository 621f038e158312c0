"""The worker of ``relay dev``: a process of its own that prints every event."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping

from relay.contract.errors import RelayError
from relay.supervise import KeptProcess, start_child

PRINTER = "consumers.handlers.print_events:worker"
# Less than it has together with the gateway, so that it is killed in time if it hangs.
GRACE_SECONDS = 3.5
# One that has lived this long could be loaded, on a slow machine too. One that ends by a fault
# before is not started again: that would end in the same way, without an end.
UP_SECONDS = 10.0


class WorkerEnded(RelayError):
    """The worker ended as soon as it was started."""


def make_worker(target: str | None, redis_url: str, environ: Mapping[str, str]) -> KeptProcess:
    """Make the process, not yet started.

    Args:
        target: The user's own worker, ``module:name``, which is started anew when its code
            changes; without one, ours, which prints every event.
        redis_url: The embedded server's. It goes by the environment: arguments can be seen by
            everyone on the machine.
        environ: What else it finds in its environment.
    """
    # By both names, since a relay.toml wins over the plain one.
    words = [PRINTER] if target is None else [target, "--reload"]
    own = {"REDIS_URL": redis_url, "RELAY_REDIS__URL": redis_url, "PYTHONUNBUFFERED": "1"}

    async def launch() -> Process:
        return await start_child(
            [sys.executable, "-m", "consumers", *words], environ={**environ, **own}
        )

    return KeptProcess(
        "worker",
        launch,
        wait_until_up=_wait_until_up,
        ask_to_end=_terminate,
        grace_seconds=GRACE_SECONDS,
    )


async def _wait_until_up(process: Process) -> None:
    try:
        async with asyncio.timeout(UP_SECONDS):
            code = await process.wait()
    except TimeoutError:
        return
    if code < 0:
        return  # a signal ended it, which is no fault of its start: it is started again
    raise WorkerEnded(f"The worker ended with {code} right after its start; see above why.")


async def _terminate(process: Process) -> None:
    process.terminate()
