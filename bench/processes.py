"""Programs as child processes, pinned to cores if need be, and ended by their ids in any case."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.failures import ProgramFailed
from bench.residence import tree
from bench.tools import path_of

_START_SECONDS = 90.0
_STOP_SECONDS = 30.0
_PORTS = range(10_000, 32_000)
# What would change the behaviour of a program behind the benchmark's back.
_OURS = ("RELAY_", "REDIS_URL", "UNIPILE_WEBHOOK_SECRET", "PYTHON", "UVICORN_")


@dataclass(frozen=True, slots=True)
class Program:
    """One running program.

    Args:
        name: What it is called in messages.
        process: The process that was started; it may have children.
        log: Where its output goes.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The id of the process that was started."""
        return self.process.pid

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Return as soon as a condition holds.

        Raises:
            ProgramFailed: The program ended, or it does not hold in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text("utf-8", "replace")[-2000:]
                raise ProgramFailed(f"{self.name}: not in time: {what}. Its log ends:\n{said}")
            time.sleep(0.02)


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    directory: Path,
    on_cores: Sequence[int] = (),
    variables: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """Have a program within the block.

    Args:
        name: Names its log.
        command: Program and arguments.
        directory: Where it runs.
        on_cores: The only ones that it and its children have; all by default.
        variables: Environment beside what is passed on.
    """
    log = directory / f"{name}.log"
    if on_cores:
        command = [path_of("taskset"), "--cpu-list", ",".join(map(str, on_cores)), *command]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment() | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A Ctrl-C is for the benchmark, which then ends them in order.
            process_group=0,
        )
    program = Program(name, process, log)
    try:
        yield program
    finally:
        _end(program)


def environment() -> dict[str, str]:
    """Give the environment without what would configure the programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def free_port() -> int:
    """Give a loopback port that nobody listens on.

    It is below those that the kernel gives to outgoing connections: one of them could take it
    before the program does.

    Raises:
        OSError: None of a hundred is free.
    """
    for port in random.sample(_PORTS, 100):
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port between 10,000 and 32,000")


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(program: Program) -> None:
    """End a program and its children, even one that no longer listens to requests."""
    family = tree(program.pid)
    program.process.terminate()
    try:
        program.process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        program.process.kill()
        program.process.wait()
    for pid in family[1:]:
        with suppress(ProcessLookupError):
            # The group says that the number has not gone to somebody else meanwhile.
            if os.getpgid(pid) == program.pid:
                os.kill(pid, signal.SIGKILL)
