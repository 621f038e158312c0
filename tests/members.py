"""Places in a fleet of our programs, whose processes are killed, stopped and started again."""

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

from tests.programs import STOP_SECONDS, Program, start
from tests.servers import free_port

# Stands for a process that was asked to end and did not.
NEVER_ENDED = -1000
# Of those that were asked to, before they listen too, and of those that were killed.
EXPECTED_ENDS = frozenset((0, -signal.SIGKILL, -signal.SIGTERM))
# No fault that is made may lead to these.
BUGS = ("Traceback", "duty_failed", "worker_failed", "request_failed", "process_failed")


class Member:
    """One place in the fleet, and the process that fills it now.

    Args:
        name: Names its log.
        launch: Starts a process.
        has_work: Says of a process whether it has work in flight.
    """

    def __init__(
        self, name: str, launch: Callable[[str], Program], has_work: Callable[[int], bool]
    ) -> None:
        self.name = name
        self._launch = launch
        self._has_work = has_work
        self._program: Program | None = None
        self.asleep = False
        self.ends: Counter[int] = Counter()

    @property
    def runs(self) -> bool:
        """Whether a process is there, be it asleep."""
        return self._program is not None and self._program.process.poll() is None

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._program is not None, f"{self.name} is not running"
        return self._program.process.pid

    @property
    def is_busy(self) -> bool:
        """Whether a process is there and has work in flight."""
        return self._program is not None and self._has_work(self._program.process.pid)

    def start(self) -> None:
        """Fill the place, if it is empty."""
        if self._program is None:
            self._program = self._launch(self.name)

    async def kill(self) -> bool:
        """End the process as a power cut would; say whether it had work in flight."""
        program = self._take_out()
        if program is None:
            return False
        program.process.send_signal(signal.SIGSTOP)  # so that what it is busy with stays as it is
        busy = self._has_work(program.process.pid)
        await asyncio.to_thread(program.kill)
        self._count_end(program)
        return busy

    async def terminate(self) -> None:
        """Ask the process to end, and wait."""
        program = self._take_out()
        if program is None:
            return
        program.process.send_signal(signal.SIGCONT)
        program.process.terminate()
        try:
            await asyncio.to_thread(program.process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.ends[NEVER_ENDED] += 1
            program.process.kill()
        self._count_end(program)

    def fall_asleep(self) -> None:
        """Stop the process from running."""
        if self._program is not None and self.runs:
            self._program.process.send_signal(signal.SIGSTOP)
            self.asleep = True

    def wake_up(self) -> None:
        """Let the process run on."""
        if self._program is not None and self.runs:
            self._program.process.send_signal(signal.SIGCONT)
        self.asleep = False

    def notice_end(self) -> bool:
        """Empty the place of a process that has ended by itself; say whether one has."""
        if self._program is None or self.runs:
            return False
        program = self._take_out()
        if program is not None:
            self._count_end(program)
        return True

    def output(self, directory: Path) -> str:
        """Give what its processes have said."""
        log = directory / f"{self.name}.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def troubles(
        self, directory: Path, expected_ends: AbstractSet[int] = EXPECTED_ENDS
    ) -> list[str]:
        """Say how its processes have ended otherwise than they may, and of which bugs they tell."""
        ends = [
            f"{self.name} ended {count} times with {code}"
            for code, count in self.ends.items()
            if code not in expected_ends
        ]
        said = self.output(directory)
        return ends + [f"{self.name} has said: {word}" for word in BUGS if word in said]

    def _take_out(self) -> Program | None:
        """Empty the place at once: nobody else may end its process too."""
        program, self._program, self.asleep = self._program, None, False
        return program

    def _count_end(self, program: Program) -> None:
        self.ends[program.process.wait()] += 1


def gateway_member(
    name: str, port: int, under_way: Callable[[], int], directory: Path, **variables: str
) -> Member:
    """Make a place for a gateway."""
    admin_port = free_port()

    def launch(name: str) -> Program:
        options = ["--port", str(port), "--admin-port", str(admin_port)]
        return start(["-m", "relay", "serve", *options], directory, name, **variables)

    return Member(name, launch, lambda _: under_way() > 0)
