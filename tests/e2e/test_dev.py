"""``relay dev``: one command starts everything, one Ctrl-C stops it, and the events stay."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from redis import Redis

from relay.embedded import DataDirectory, EmbeddedServer
from tests.programs import GatewayProgram, end, start
from tests.servers import find_binary, free_port, wait_until_sync
from tests.signing import SECRET

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (find_binary("valkey") or find_binary("redis")), reason="there is no server to embed"
    ),
]

STREAM = "relay:{unipile}:message.new"
# A Ctrl-C must have ended everything by then: after nine seconds what is left is killed, and a
# busy machine takes its time for that too.
END_SECONDS = 15.0
# A README's reader waits no longer for the event to appear.
SEEN_SECONDS = 5.0


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
            deadline_seconds=30,
            description=f"everything is up; it said {running.output()}",
        )
        yield running
    finally:
        end(program)


def send(program: Dev, count: int = 1) -> None:
    """Send signed events by our own command, from the directory it runs in."""
    options = [f"--url=http://127.0.0.1:{program.port}", f"--count={count}"]
    done = start(["-m", "relay", "send", "unipile", *options], program.log.parent, "send")
    assert done.process.wait(30) == 0, done.output()


def wait_for_words(program: Dev, words: str, count: int = 1, seconds: float = SEEN_SECONDS) -> None:
    """Return when the program has said them often enough."""
    wait_until_sync(
        lambda: program.output().count(words) >= count,
        deadline_seconds=seconds,
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
def test_the_printed_lines_work(tmp_path: Path) -> None:
    """What it says to try, copied into a shell, brings an event to the worker."""
    with dev(tmp_path) as program:
        said = program.output()
        lines = said.partition("with nothing of ours:\n\n")[2].splitlines()[:4]
        script = "\n".join(line.strip() for line in lines)

        answer = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )

        assert answer.stdout.startswith("HTTP/1.1 200")
        event_id = re.search(r"relay-event-id: (\S+)", answer.stdout, re.IGNORECASE)
        assert event_id is not None
        wait_for_words(program, event_id[1])
        secret = (tmp_path / ".relay" / "secret").read_text().strip()
        assert secret not in program.output()
        with program.redis() as redis:
            assert redis.xlen(STREAM) == 1


def test_a_second_terminal_just_works(tmp_path: Path) -> None:
    """Started in the same directory, other commands find store and secret by themselves."""
    with dev(tmp_path) as program:
        send(program, 3)
        wait_for_words(program, "message.new  evt_", 3)

        for command, words in (
            (["streams"], "message.new"),
            (["tail", "--from", "0", "--count", "3"], "evt_"),
            (["check"], "0 failed"),
        ):
            done = start(["-m", "relay", *command], tmp_path, command[0])
            assert done.process.wait(30) == 0, done.output()
            assert words in done.output()


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
    with dev(tmp_path) as program, program.redis() as redis:
        assert redis.xlen(STREAM) == 5


@needs_proc
def test_ctrl_c_ends_what_hangs(tmp_path: Path) -> None:
    """Server and worker that say nothing, and a delivery in flight: all ends in time."""
    (tmp_path / "relay.toml").write_text("append_deadline_seconds = 60\n")
    with dev(tmp_path) as program:
        send(program, 2)
        children = program.children()
        for pid in children.values():
            os.kill(pid, signal.SIGSTOP)
        url = f"--url=http://127.0.0.1:{program.port}"
        sending = start(["-m", "relay", "send", "unipile", url], tmp_path, "hanging")
        time.sleep(1)

        code = program.stop()
        end(sending)

        assert code == 0, program.output()
        assert are_gone(children)
        assert "Traceback" not in program.output()
    assert kept(program) >= 2


@needs_proc
def test_ctrl_c_right_after_the_start(tmp_path: Path) -> None:
    """Whenever it comes, it ends what was started by then, and is no error."""
    for milliseconds in (300, 500, 700):
        program = start(
            ["-m", "relay", "dev", "--port=0", "--admin-port=0", f"--redis-port={free_port()}"],
            tmp_path,
            "early",
        )
        try:
            time.sleep(milliseconds / 1000)
            program.process.send_signal(signal.SIGINT)
            code = program.process.wait(END_SECONDS)
        finally:
            end(program)

        # On a slow machine Python itself may still be starting, which ends in its own way.
        if "<frozen runpy>" not in program.output():
            assert code in {0, 130, -signal.SIGINT}, program.output()
            assert "Traceback" not in program.output()
        assert not (tmp_path / ".relay" / "redis.url").exists()


@needs_proc
def test_a_killed_server_comes_back(tmp_path: Path) -> None:
    """Gateway and worker find it again, and every event is still there."""
    with dev(tmp_path) as program:
        send(program, 2)
        os.kill(program.children()["server"], signal.SIGKILL)

        send(program, 2)
        wait_for_words(program, "message.new  evt_", 4)

        with program.redis() as redis:
            assert redis.xlen(STREAM) == 4
        assert program.stop() == 0


@needs_proc
def test_a_killed_worker_comes_back(tmp_path: Path) -> None:
    """It goes on with what came meanwhile."""
    with dev(tmp_path) as program:
        send(program)
        wait_for_words(program, "message.new  evt_")
        os.kill(program.children()["worker"], signal.SIGKILL)
        send(program)

        wait_for_words(program, "message.new  evt_", 2)


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
        wait_for_words(program, "worker_started", 2, seconds=30)
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
        program.kill()
        wait_until_sync(lambda: are_gone(children), description="server and worker are gone")
    with dev(tmp_path) as program, program.redis() as redis:
        assert redis.xlen(STREAM) == 2


def test_a_part_that_cannot_start_stops_the_rest(tmp_path: Path) -> None:
    """A busy port is named, and no server is left."""
    with dev(tmp_path) as program:
        for option in ("--port", "--admin-port", "--redis-port"):
            busy = {
                "--port": program.port,
                "--admin-port": program.admin_port,
                "--redis-port": program.redis_port,
            }[option]
            ports = {name: free_port() for name in ("--port", "--admin-port", "--redis-port")}
            words = [f"{name}={port}" for name, port in (ports | {option: busy}).items()]
            other = start(["-m", "relay", "dev", "--data-dir=other", *words], tmp_path, "other")

            assert other.process.wait(20) == 1
            assert str(busy) in other.output()
            assert option in other.output()
            assert "Traceback" not in other.output()
            assert not (tmp_path / "other" / "redis.url").exists()


def test_two_in_one_directory(tmp_path: Path) -> None:
    """The second says so and leaves the first alone."""
    with dev(tmp_path) as program:
        words = [f"--{name}={free_port()}" for name in ("port", "admin-port", "redis-port")]
        other = start(["-m", "relay", "dev", *words], tmp_path, "other")

        assert other.process.wait(20) == 1
        assert f"in use by another `relay dev` (process {program.process.pid})" in other.output()
        assert program.get("/readyz") == 200


def test_a_worker_that_cannot_start(tmp_path: Path) -> None:
    """The rest is stopped, with the worker's own words on the screen."""
    (tmp_path / "relay.toml").write_text("[worker]\ncolour = 1\n")

    with dev(tmp_path, PYTHONDONTWRITEBYTECODE="1") as program:
        assert program.process.wait(20) in {1, 2}
        assert "colour" in program.output()
        assert "Traceback" not in program.output()


def test_the_files_of_the_directory_count(tmp_path: Path) -> None:
    """Endpoints of a relay.toml are served, its store is not used."""
    (tmp_path / "relay.toml").write_text(
        '[redis]\nurl = "redis://127.0.0.1:1"\n'
        '[endpoints.shop]\nprovider = "unipile"\nsecrets = [{ env = "SHOP_SECRET" }]\n'
    )
    with dev(tmp_path, SHOP_SECRET=SECRET) as program:
        assert program.get("/readyz") == 200
        assert "/webhooks/shop" in program.output()


def test_a_secret_of_the_environment_is_used(tmp_path: Path) -> None:
    """It is neither kept nor shown."""
    with dev(tmp_path, UNIPILE_WEBHOOK_SECRET=SECRET) as program:
        assert not (tmp_path / ".relay" / "secret").exists()
        assert SECRET not in program.output()
        assert "UNIPILE_WEBHOOK_SECRET" in program.output()
