"""Programs under test as processes: started for one run, ended by their ids whatever happens.

A store's or a gateway's options come in, a running process goes out. Nothing here ends a process
that it has not started.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from bench.failures import ProgramFailed
from bench.holds.deliveries import SECRET
from bench.residence import tree
from bench.tools import path_of

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
# What would change the behaviour of a program behind the benchmark's back.
_OURS = ("RELAY_", "REDIS_URL", "UNIPILE_WEBHOOK_SECRET")


@dataclass(frozen=True, slots=True)
class Program:
    """One running program.

    Args:
        process: The process that was started; it may have children.
        log: Where its output goes.
        port: Where it listens.
    """

    process: "subprocess.Popen[bytes]"
    log: Path
    port: int

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
                raise ProgramFailed(f"not in time: {what}. {self.log.name} ends:\n{said}")
            time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Gateway(Program):
    """A gateway.

    Args:
        admin_port: Its metrics.
    """

    admin_port: int

    def answers(self) -> bool:
        """Tell whether a delivery could be taken now."""
        with suppress(OSError):
            return self._get(self.port, "/readyz") != ""
        return False

    def gauges(self, *names: str) -> dict[str, float]:
        """Read some metrics without labels; one that is not there is left out.

        Returns:
            Nothing where the gateway does not answer: that is no fault of what it is asked for.
        """
        found: dict[str, float] = {}
        try:
            text = self._get(self.admin_port, "/metrics")
        except OSError:
            return found
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name in names:
                found[name] = float(value)
        return found

    def _get(self, port: int, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())


def free_port() -> int:
    """Give a loopback port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis_server(directory: Path, *, name: str = "redis", **options: str) -> Iterator[Program]:
    """Have Redis within the block, in a directory of its own and without its own bookkeeping.

    Args:
        directory: Where its files go.
        name: Names its log and its directory.
        options: Of its configuration; ``_`` for ``-``.
    """
    home, port = directory / name, free_port()
    home.mkdir()
    fixed = {"port": str(port), "bind": "127.0.0.1", "dir": str(home), "save": ""}
    words = [f"--{key.replace('_', '-')}={value}" for key, value in (fixed | options).items()]
    command = [path_of("redis-server"), *(part for word in words for part in word.split("=", 1))]
    with _running(command, home / "redis.log") as process:
        program = Program(process, home / "redis.log", port)
        with closing(client(port)) as redis:
            program.wait_for(lambda: _pings(redis), "redis answers")
        yield program


def client(port: int) -> Redis:
    """Give a client that waits for each answer."""
    return Redis(host="127.0.0.1", port=port, protocol=2, socket_timeout=60)


@contextmanager
def gateway(
    directory: Path,
    redis_port: int,
    *,
    options: Sequence[str] = (),
    port: int = 0,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Gateway]:
    """Have the gateway within the block, as its command starts it.

    Args:
        directory: Where it runs; one that has no ``relay.toml``.
        redis_port: Its store.
        options: Further options of ``relay serve``.
        port: Its ingress; a free one by default.
        variables: Its settings, beside what is passed on.
    """
    port, admin_port = port or free_port(), free_port()
    ports = ["--port", str(port), "--admin-port", str(admin_port)]
    given = {
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "UNIPILE_WEBHOOK_SECRET": SECRET,
    }
    command = [sys.executable, "-m", "relay", "serve", *ports, *options]
    log = directory / "gateway.log"
    with _running(command, log, given | dict(variables or {})) as process:
        running = Gateway(process, log, port, admin_port)
        running.wait_for(running.answers, "the gateway answers")
        yield running


@contextmanager
def _running(
    command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=environ | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A Ctrl-C is for the benchmark, which then ends them in order.
            process_group=0,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process with its children, also one that no longer listens to requests."""
    family = tree(process.pid) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family[1:]:
        with suppress(ProcessLookupError):
            # The group says that the number has not gone to somebody else meanwhile.
            if os.getpgid(pid) == process.pid:
                os.kill(pid, signal.SIGKILL)


def _pings(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer yet
        return False
