"""Our programs as processes, started for one test and ended by their process id."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import free_port
from tests.signing import SECRET

# Outer limits, for a machine that is slow or stands still for a while.
START_SECONDS = 90.0
STOP_SECONDS = 60.0


@dataclass
class Program:
    """One running program.

    Args:
        process: The process.
        log: Where its standard error goes; standard output goes beside it.
    """

    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """Give what it has said until now."""
        paths = [path for path in (self.log, printed_beside(self.log)) if path.exists()]
        return "".join(path.read_text("utf-8", "replace") for path in paths)

    def kill(self) -> None:
        """End it as a power cut would, with all its processes at once."""
        # Asleep, it can neither replace nor warn those that are killed before it.
        self.process.send_signal(signal.SIGSTOP)
        for pid in children_of(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """Ask it to end, and give its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def resident_bytes(self) -> int:
        """Say how much memory it takes now, with its children."""
        return sum(map(_resident_bytes, [self.process.pid, *children_of(self.process.pid)]))


@dataclass
class GatewayProgram(Program):
    """A gateway, and where it listens.

    Args:
        port: Its ingress.
        admin_port: Its metrics.
    """

    port: int = 0
    admin_port: int = 0

    @property
    def url(self) -> str:
        """The endpoint's URL."""
        return f"http://127.0.0.1:{self.port}/webhooks/unipile"

    def metrics(self) -> str:
        """Give its metrics as text."""
        url = f"http://127.0.0.1:{self.admin_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())

    def get(self, path: str) -> int:
        """Give the status of a path; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0


def printed_beside(log: Path) -> Path:
    """Say where standard output goes: apart, since only standard error is a log."""
    return log.with_suffix(".out")


def children_of(pid: int) -> list[int]:
    """Give the ids of a process's children, oldest first."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    )
    rows = (line.split() for line in listed.stdout.splitlines())
    return sorted(
        int(child) for child, parent, state in rows if parent == str(pid) and state[0] != "Z"
    )


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return 1024 * int(line.split()[1])


def start(arguments: list[str], directory: Path, name: str, **variables: str) -> Program:
    """Start a program of ours with its output in a file."""
    log = directory / f"{name}.log"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("RELAY_")}
    environ.pop("REDIS_URL", None)
    with log.open("ab") as errors, printed_beside(log).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=directory,
            env=environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
    return Program(process, log)


@contextmanager
def gateway(
    directory: Path, redis_url: str, *, port: int = 0, name: str = "gateway", **variables: str
) -> Iterator[GatewayProgram]:
    """Have a gateway within the block, once it answers."""
    port, admin_port = port or free_port(), free_port()
    options = ["--port", str(port), "--admin-port", str(admin_port)]
    program = start(
        ["-m", "relay", "serve", *options],
        directory,
        name,
        REDIS_URL=redis_url,
        UNIPILE_WEBHOOK_SECRET=SECRET,
        **variables,
    )
    running = GatewayProgram(program.process, program.log, port, admin_port)
    try:
        _wait(lambda: running.get("/livez") == 200, running, "the gateway answers")
        yield running
    finally:
        end(running)


@contextmanager
def worker(
    directory: Path,
    redis_url: str,
    target: str,
    *options: str,
    name: str = "worker",
    **variables: str,
) -> Iterator[Program]:
    """Have a worker process within the block, or several, where its options say so."""
    arguments = ["-m", "consumers", target, *options]
    program = start(arguments, directory, name, REDIS_URL=redis_url, **variables)
    try:
        yield program
    finally:
        end(program)


def end(program: Program) -> None:
    """End a program, whatever state it is in."""
    if program.process.poll() is None:
        program.process.send_signal(signal.SIGCONT)
        program.process.terminate()
        try:
            program.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            program.process.kill()
    program.process.wait()


def _wait(condition: object, program: Program, description: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    assert callable(condition)
    while not condition():
        assert program.process.poll() is None, f"it ended:\n{program.output()[-2000:]}"
        said = program.output()[-2000:]
        assert time.monotonic() < deadline, f"not in time: {description}\n{said}"
        time.sleep(0.02)
