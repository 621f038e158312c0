"""``relay dev``: one command starts everything, one Ctrl-C stops it, and the events stay."""

import asyncio
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from relay.embedded import DataDirectory, EmbeddedServer
from tests.e2e.watching import metrics
from tests.load import body_of
from tests.programs import GatewayProgram, Program, end, start
from tests.servers import find_binary, free_port, wait_until_sync
from tests.signing import SECRET, signed

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (find_binary("valkey") or find_binary("redis")), reason="there is no server to embed"
    ),
]

STREAM = "relay:{unipile}:message.new"
MIB = 1024 * 1024
# A Ctrl-C must have ended everything by then: after nine seconds what is left is killed, and a
# busy machine takes its time for that too.
END_SECONDS = 15.0
# Until an event is seen; a busy machine takes its time.
SEEN_SECONDS = 60.0
# No two events of this module are the same, whoever shares a program.
_numbers = itertools.count()


class Dev(GatewayProgram):
    """A running ``relay dev``."""

    redis_port = 0

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.log.parent / ".relay"

    def redis(self) -> Redis:
        """Give a client of its store."""
        return Redis.from_url((self.data / "redis.url").read_text().strip())

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send it a signal, and give its exit code once it has ended in time."""
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS)

    @property
    def secret(self) -> str:
        """What senders sign with."""
        return (self.data / "secret").read_text().strip()

    def children(self) -> dict[str, int]:
        """Give the ids of its processes by what they are."""
        kinds = {"-server": "server", "consumers": "worker"}
        found: dict[str, int] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended while we looked
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                arguments = (folder / "cmdline").read_text()
                if parent == self.process.pid:
                    found |= {
                        kind: int(folder.name) for word, kind in kinds.items() if word in arguments
                    }
        return found


@contextmanager
def dev(directory: Path, *words: str, **variables: str) -> Iterator[Dev]:
    """Have ``relay dev`` within the block, once the worker is there too."""
    ports = {name: free_port() for name in ("port", "admin-port", "redis-port")}
    log = directory / "dev.log"
    log.unlink(missing_ok=True)
    options = [word for name, port in ports.items() for word in (f"--{name}", str(port))]
    options += words
    program = start(["-m", "relay", "dev", *options], directory, "dev", **variables)
    running = Dev(program.process, program.log, ports["port"], ports["admin-port"])
    running.redis_port = ports["redis-port"]
    try:
        wait_until_sync(
            lambda: "worker_started" in running.output() or program.process.poll() is not None,
            deadline_seconds=60,
            description=f"everything is up; it said {running.output()}",
        )
        yield running
    finally:
        end(program)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """One for all tests that leave it running."""
    with dev(tmp_path_factory.mktemp("shared")) as program:
        yield program
        # Whatever was killed meanwhile and came back.
        assert program.stop() == 0


def send(program: Dev, count: int = 1) -> list[str]:
    """Send signed events, and give what the printing worker says of each."""
    ids = [f"evt_{next(_numbers):05}" for _ in range(count)]
    for event_id in ids:
        body = body_of(event_id)
        request = urllib.request.Request(program.url, body, signed(body, secret=program.secret))
        wait_until_sync(
            lambda request=request: is_taken(request),  # type: ignore[misc]
            deadline_seconds=60,
            description=f"{event_id} is taken",
        )
    return [f"message.new  {event_id}" for event_id in ids]


def is_taken(request: urllib.request.Request) -> bool:
    """Send once, and tell whether it was answered 200; until a store is back it is 503."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 503:
                raise
            return False


def wait_for_words(program: Dev, words: str, count: int = 1) -> None:
    """Return when the program has said them often enough."""
    wait_until_sync(
        lambda: program.output().count(words) >= count,
        deadline_seconds=SEEN_SECONDS,
        description=f"{count} × {words!r} in {program.output()}",
    )


def kept(program: Dev) -> int:
    """Count the events in the data directory of one that has ended, as its server would."""

    async def counted() -> int:
        server = EmbeddedServer(DataDirectory(program.data), free_port())
        await server.start()
        try:
            with Redis.from_url(server.url) as redis:
                return int(redis.xlen(STREAM))
        finally:
            await server.stop()

    return asyncio.run(counted())


def are_gone(pids: dict[str, int]) -> bool:
    """Tell whether none of the processes runs any more."""
    return not any(Path(f"/proc/{pid}/exe").exists() for pid in pids.values())


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


@pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("curl")), reason="needs openssl and curl"
)
def test_the_printed_lines_work(shared: Dev) -> None:
    """What it says to try, copied into a shell, brings an event to the worker."""
    lines = shared.output().partition("with nothing of ours:\n\n")[2].splitlines()[:4]
    script = "\n".join(line.strip() for line in lines)

    answer = subprocess.run(
        ["sh", "-c", script], cwd=shared.log.parent, capture_output=True, text=True, check=True
    )

    assert answer.stdout.startswith("HTTP/1.1 200")
    event_id = re.search(r"relay-event-id: (\S+)", answer.stdout, re.IGNORECASE)
    assert event_id is not None
    wait_for_words(shared, event_id[1])
    assert shared.secret not in shared.output()
    assert stored(shared).count(event_id[1]) == 1


def stored(program: Dev) -> list[str]:
    """Give the ids of the events in its stream."""
    with program.redis() as redis:
        entries: Any = redis.xrange(STREAM)
    return [fields[b"id"].decode() for _, fields in entries]


def test_a_second_terminal_just_works(shared: Dev) -> None:
    """Started in the same directory, other commands find store and secret by themselves."""
    before = shared.output().count("message.new  evt_")

    for command, words in (
        (["send", "unipile", f"--url=http://127.0.0.1:{shared.port}", "--count=3"], "evt_"),
        (["streams"], "message.new"),
        (["tail", "--from", "0", "--count", "3"], "evt_"),
        (["check"], "0 failed"),
    ):
        done = start(["-m", "relay", *command], shared.log.parent, command[0])
        assert done.process.wait(60) == 0, done.output()
        assert words in done.output()
    wait_for_words(shared, "message.new  evt_", before + 3)


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_all_processes(tmp_path: Path, number: signal.Signals) -> None:
    """Server, gateway and worker are gone in time, the exit code is 0, the events stay."""
    with dev(tmp_path) as program:
        send(program, 2)
        children = program.children()
        assert set(children) == {"server", "worker"}
        began = time.monotonic()

        code = program.stop(number)

        assert code == 0
        assert time.monotonic() - began < END_SECONDS
        assert are_gone(children)
        assert not (program.data / "redis.url").exists()
    assert kept(program) == 2


@needs_proc
def test_ctrl_c_in_a_terminal_and_again(tmp_path: Path) -> None:
    """A terminal sends it to the whole group, an impatient user again and again."""
    with dev(tmp_path) as program:
        send(program, 5)
        children = program.children()
        while program.process.poll() is None:
            program.process.send_signal(signal.SIGINT)
            time.sleep(0.02)

        assert program.process.wait(END_SECONDS) in {0, 130}
        assert are_gone(children)
        assert "Traceback" not in program.output()
    assert kept(program) == 5


@needs_proc
def test_ctrl_c_ends_what_hangs(tmp_path: Path) -> None:
    """Server and worker that say nothing, and a delivery in flight: all ends in time."""
    (tmp_path / "relay.toml").write_text("append_deadline_seconds = 60\n")
    with dev(tmp_path) as program:
        send(program, 2)
        children = program.children()
        for pid in children.values():
            os.kill(pid, signal.SIGSTOP)
        with a_delivery_in_flight(program):
            code = program.stop()

        assert code == 0, program.output()
        assert are_gone(children)
        assert "Traceback" not in program.output()
    assert kept(program) >= 2


@contextmanager
def a_delivery_in_flight(program: Dev) -> Iterator[None]:
    """Have a sender wait within the block for an answer that does not come."""
    body = body_of("evt_hanging")
    head = {"host": "here", "content-length": str(len(body)), **signed(body, secret=program.secret)}
    lines = ["POST /webhooks/unipile HTTP/1.1", *(f"{name}: {head[name]}" for name in head)]
    with socket.create_connection(("127.0.0.1", program.port)) as sender:
        sender.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        wait_until_sync(
            lambda: metrics(program)["relay_body_bytes_in_hand"] > 0, description="it is in flight"
        )
        yield


MOMENTS: dict[str, Callable[[Program, Path], bool]] = {
    "python imports": lambda program, _: program.resident_bytes() > 20 * MIB,
    "its directory is there": lambda _, data: data.exists(),
    "its server is there": lambda _, data: (data / "redis.url").exists(),
}


@needs_proc
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_right_after_the_start(tmp_path: Path, moment: str) -> None:
    """Whenever it comes, it ends what was started by then, and is no error."""
    data = tmp_path / ".relay"
    ports = ["--port=0", "--admin-port=0", f"--redis-port={free_port()}"]
    program = start(["-m", "relay", "dev", *ports], tmp_path, "early")
    try:
        wait_until_sync(
            lambda: MOMENTS[moment](program, data), deadline_seconds=60, description=moment
        )
        program.process.send_signal(signal.SIGINT)
        code = program.process.wait(END_SECONDS)
    finally:
        end(program)

    # While Python itself is still starting, it ends in its own way.
    if "<frozen runpy>" not in program.output():
        assert code in {0, 130, -signal.SIGINT}, program.output()
        assert "Traceback" not in program.output()
    assert not (data / "redis.url").exists()


@needs_proc
def test_a_killed_server_comes_back(shared: Dev) -> None:
    """Gateway and worker find it again, and every event is still there."""
    before = send(shared, 2)
    os.kill(shared.children()["server"], signal.SIGKILL)

    sent = before + send(shared, 2)
    for words in sent:
        wait_for_words(shared, words)

    kept_ids = stored(shared)
    assert [kept_ids.count(words.split()[1]) for words in sent] == [1] * 4


@needs_proc
def test_a_killed_worker_comes_back(shared: Dev) -> None:
    """It goes on with what came meanwhile."""
    (words,) = send(shared)
    wait_for_words(shared, words)
    os.kill(shared.children()["worker"], signal.SIGKILL)
    (words,) = send(shared)

    wait_for_words(shared, words)


@needs_proc
def test_a_worker_of_ones_own_is_started_anew_when_it_changes(tmp_path: Path) -> None:
    """It runs instead of the printing one, and ends with the rest."""
    handlers = tmp_path / "handlers.py"
    handlers.write_text(
        "from consumers import Worker\nworker = Worker(group='mine')\n"
        "worker.on('*:*')(lambda event: print('mine', event.id))\n"
    )
    with dev(tmp_path, "--worker=handlers:worker") as program:
        send(program)
        wait_for_words(program, "mine evt_")
        handlers.write_text(handlers.read_text().replace("'mine', ", "'changed', "))
        wait_for_words(program, "worker_started", 2)
        send(program)
        wait_for_words(program, "changed evt_")
        children = program.children()

        assert program.stop() == 0
        assert are_gone(children)
        assert "message.new  evt_" not in program.output()


@needs_proc
def test_everything_goes_with_a_killed_parent(tmp_path: Path) -> None:
    """No process stays behind, and the next start finds the events."""
    with dev(tmp_path) as program:
        send(program, 2)
        children = program.children()
        # It alone: the others must notice by themselves.
        program.process.kill()
        program.process.wait()
        wait_until_sync(
            lambda: are_gone(children),
            deadline_seconds=60,
            description="server and worker are gone",
        )
    assert kept(program) == 2


@pytest.mark.parametrize("option", ["--port", "--admin-port", "--redis-port"])
def test_a_part_that_cannot_start_stops_the_rest(tmp_path: Path, option: str) -> None:
    """A busy port is named, and no server is left."""
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        busy = taken.getsockname()[1]
        ports = {name: free_port() for name in ("--port", "--admin-port", "--redis-port")}
        words = [f"{name}={port}" for name, port in (ports | {option: busy}).items()]
        other = start(["-m", "relay", "dev", *words], tmp_path, "other")

        assert other.process.wait(60) == 1
    assert str(busy) in other.output()
    assert option in other.output()
    assert "Traceback" not in other.output()
    assert not (tmp_path / ".relay" / "redis.url").exists()


def test_two_in_one_directory(shared: Dev) -> None:
    """The second says so and leaves the first alone."""
    words = [f"--{name}={free_port()}" for name in ("port", "admin-port", "redis-port")]
    other = start(["-m", "relay", "dev", *words], shared.log.parent, "other")

    assert other.process.wait(60) == 1
    assert f"in use by another `relay dev` (process {shared.process.pid})" in other.output()
    assert shared.get("/readyz") == 200


def test_a_worker_that_cannot_start(tmp_path: Path) -> None:
    """The rest is stopped, with the worker's own words on the screen."""
    (tmp_path / "relay.toml").write_text("[worker]\ncolour = 1\n")

    with dev(tmp_path, PYTHONDONTWRITEBYTECODE="1") as program:
        assert program.process.wait(60) in {1, 2}
        assert "colour" in program.output()
        assert "Traceback" not in program.output()


def test_the_directorys_files_and_a_secret_of_the_environment_count(tmp_path: Path) -> None:
    """A relay.toml's endpoints are served, but not its store; the secret is not kept or shown."""
    (tmp_path / "relay.toml").write_text(
        '[redis]\nurl = "redis://127.0.0.1:1"\n'
        '[endpoints.shop]\nprovider = "unipile"\nsecrets = [{ env = "SHOP_SECRET" }]\n'
    )
    with dev(tmp_path, SHOP_SECRET=SECRET, UNIPILE_WEBHOOK_SECRET=SECRET) as program:
        assert program.get("/readyz") == 200
        assert "/webhooks/shop" in program.output()
        assert not (tmp_path / ".relay" / "secret").exists()
        assert SECRET not in program.output()
        assert "as the configuration says" in program.output()
