"""One worker process as its parent sees it: kept running, and ended without loss."""

import asyncio
import socket
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.contract.errors import RelayError
from relay.supervise import KeptProcess, module_command, start_child
from relay.supervise.line import Line, Lines
from relay.supervise.messages import Channel

CHILD = "consumers.processes"
# What a child needs beyond its handlers' grace: to end its read, to end what is left of them, to
# send its outcomes, to close what they share, and to say goodbye, all bounded in consumers.app.
END_SECONDS = 14.0


class WorkerDidNotStart(RelayError):
    """A worker process ended before it worked.

    Args:
        exit_code: What it ended with; below 0 it is the signal.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"The worker ended with {exit_code} while it started; see above why.")
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What every process of a parent is to be.

    Args:
        target: Where the Worker is, ``module:name``.
        environ: What its processes find in their environment.
        grace_seconds: How long running handlers may go on at the end.
    """

    target: str
    environ: Mapping[str, str] = field(repr=False)
    grace_seconds: float


class KeptWorker:
    """A place that is filled by one worker process after the other.

    ``start`` or ``begin``, and ``stop``, may come in any order and twice.

    Args:
        name: Its name in logs.
        wanted: What its processes are to be.
        lines: Knows all children of this parent.
    """

    def __init__(self, name: str, wanted: Wanted, lines: Lines) -> None:
        self._wanted = wanted
        self._lines = lines
        self._line: Line | None = None
        self._process: Process | None = None
        self._up = False
        self._kept = KeptProcess(
            name,
            self._launch,
            wait_until_up=self._wait_until_up,
            ask_to_end=self._ask_to_end,
            grace_seconds=wanted.grace_seconds + END_SECONDS,
            starts=float("inf"),
        )

    @property
    def restarts(self) -> int:
        """How often its process had ended by itself and was started again."""
        return self._kept.restarts

    async def start(self) -> None:
        """Start it and return when it works.

        Raises:
            WorkerDidNotStart: It ended before; nothing of it is left.
            OSError: It could not be started.
        """
        await self._kept.start()

    def begin(self) -> None:
        """Start it and go on trying where it does not come up, without waiting for that."""
        self._kept.begin()

    async def stop(self) -> None:
        """Let it finish; return when it has ended, killed at the latest."""
        await self._kept.stop()
        await self._hang_up()

    def hurry(self) -> None:
        """Have it end at once, if it ends already; it is killed where even that takes too long."""
        if self._line is not None and self._process is not None:
            self._line.hurry()
            asyncio.get_running_loop().call_later(END_SECONDS, _kill, self._process)

    async def _launch(self) -> Process:
        self._up = False
        await self._hang_up()
        ours, theirs = socket.socketpair()
        with theirs:
            self._line = self._lines.open(await Channel.over(ours))
            self._process = await start_child(
                module_command(CHILD, str(theirs.fileno()), self._wanted.target),
                environ=self._wanted.environ,
                inherit=[theirs.fileno()],
            )
        return self._process

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.finish()

    async def _wait_until_up(self, process: Process) -> None:
        """Wait as long as it takes: a user's module may load for minutes."""
        if self._line is not None and await self._line.begin():
            self._up = True
            return
        raise WorkerDidNotStart(await process.wait())

    async def _ask_to_end(self, process: Process) -> None:
        if self._up and self._line is not None:
            await self._line.run_out()
        else:
            # While it imports it hears nothing, and has nothing to finish.
            process.terminate()


def _kill(process: Process) -> None:
    if process.returncode is None:
        process.kill()
