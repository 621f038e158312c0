"""A changed configuration is taken over under load, and a broken one is refused whole.

By SIGHUP, by ``relay reload``, and of secret files by what is in them.
"""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.e2e.test_crash_gateway import CONNECTIONS, STREAM, assert_all_kept
from tests.e2e.watching import hindrance, metrics, processes, run_on, stored
from tests.load import body_of, sending
from tests.programs import GatewayProgram, children_of, gateway
from tests.servers import free_port, wait_until_sync
from tests.signing import SECRET, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

FILE = """
processes = {processes}
[endpoints.unipile]
provider = "unipile"
secrets = [{{ file = "{secret}" }}, {{ file = "{another}" }}]
"""


class Files:
    """The configuration of one gateway: a file, and two files with a secret each."""

    def __init__(self, directory: Path) -> None:
        self.toml = directory / "relay.toml"
        self.secret = directory / "signing.secret"
        self.another = directory / "another.secret"
        self.another.write_text("nobody-signs-with-it\n")
        self.write()

    def write(self, *, processes: int = 1, secret: str = SECRET, more: str = "") -> None:
        """Write both files anew."""
        self.secret.write_text(f"{secret}\n")
        names = {"secret": self.secret, "another": self.another}
        self.toml.write_text(more + FILE.format(processes=processes, **names))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A good configuration of one process."""
    return Files(tmp_path)


def reload(program: GatewayProgram) -> None:
    """Send the parent, and nobody else, the signal."""
    program.process.send_signal(signal.SIGHUP)


async def ask(directory: Path, redis_url: str) -> tuple[int, list[dict[str, object]]]:
    """Run ``relay reload``; give its exit code, and what it says of each gateway."""
    command = [sys.executable, "-m", "relay", "reload", "--json", "--redis-url", redis_url]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return process.returncode or 0, json.loads(said)


async def reloaded(program: GatewayProgram, times: int) -> None:
    """Wait until the old processes have ended so many times."""
    await wait_until(
        lambda: program.output().count('"reloaded"') >= times,
        deadline_seconds=60,
        description=f"it has reloaded {times} times",
    )


def status(program: GatewayProgram, event_id: str, secret: str) -> int:
    """Send one delivery from a connection of its own, and give the status."""
    body = body_of(event_id)
    request = urllib.request.Request(program.url, body, signed(body, secret=secret))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_under_load_nothing_is_refused_or_reset(
    start_server: StartServer, tmp_path: Path, files: Files
) -> None:
    """Kept connections and new ones, whoever wants the reload: every request has its 200."""
    server = start_server("valkey", "always")
    files.write(processes=2)
    with gateway(tmp_path, server.url) as program:
        await wait_until(
            lambda: processes(program) == 2, deadline_seconds=60, description="both take deliveries"
        )
        first = set(children_of(program.process.pid))
        async with (
            sending(lambda: program.url, connections=CONNECTIONS, pause_seconds=0.02) as kept,
            sending(
                lambda: program.url, connections=4, keep=False, name="new", pause_seconds=0.02
            ) as new,
        ):
            reload(program)
            await reloaded(program, 1)
            asked = await ask(tmp_path, server.url)
            before = kept.accepted, new.accepted
            files.another.write_text("now-somebody-does\n")
            await reloaded(program, 3)
            assert (kept.accepted, new.accepted) > before
            assert status(program, "evt_another", "now-somebody-does") == 200

        (answer,) = asked[1]
        assert (asked[0], answer["pid"]) == (0, program.process.pid)
        assert answer["outcome"] == "taken_over"

        assert (kept.broken, new.broken) == (0, 0)
        assert set(kept.statuses) | set(new.statuses) == {200}
        assert not first & set(children_of(program.process.pid))
        assert_all_kept(kept, server)
        assert_all_kept(new, server)
        assert stored(program) == kept.accepted + new.accepted + 1
        assert metrics(program)["relay_process_restarts_total"] == 0
        assert "child_killed" not in program.output()


async def test_a_changed_secret_and_number_are_taken_over(
    start_server: StartServer, tmp_path: Path, files: Files
) -> None:
    """More processes, then fewer; the old secret is good no longer."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url) as program:
        assert status(program, "evt_1", SECRET) == 200
        for times, (number, secret) in enumerate([(2, "another-one"), (1, "a-third")], start=1):
            files.write(processes=number, secret=secret)

            reload(program)
            await reloaded(program, times)

            assert status(program, f"evt_{number}", secret) == 200
            assert status(program, "evt_9", SECRET) == 401
            assert processes(program) == number
            assert len(children_of(program.process.pid)) == number


async def test_a_broken_configuration_is_refused_whole(
    start_server: StartServer, tmp_path: Path, files: Files
) -> None:
    """All faults are said, the old process goes on, and where it dies it comes back as it was."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url) as program:
        before = children_of(program.process.pid)
        files.write(more='colour = "red"\nbody_seconds = "x"\n')
        files.secret.unlink()

        reload(program)
        await wait_until(
            lambda: "reload_refused" in program.output(),
            deadline_seconds=60,
            description="it says so",
        )

        (line,) = [line for line in program.output().splitlines() if "reload_refused" in line]
        assert "colour" in line
        assert "body_seconds" in line
        assert children_of(program.process.pid) == before

        files.write(more="\n")
        files.secret.unlink()
        reload(program)
        await wait_until(
            lambda: program.output().count("reload_refused") == 2,
            deadline_seconds=60,
            description="it says which secret cannot be read",
        )

        assert str(files.secret) in program.output()
        assert SECRET not in program.output()

        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await wait_until(
            lambda: metrics(program)["relay_process_restarts_total"] == 1,
            deadline_seconds=60,
            description="it was started again",
        )
        assert status(program, "evt_1", SECRET) == 200

        files.write(more="\n")
        reload(program)
        await reloaded(program, 1)
        assert status(program, "evt_2", SECRET) == 200


async def test_a_refusal_is_told_to_who_asked_and_a_file_that_is_gone_ends_no_endpoint(
    start_server: StartServer, tmp_path: Path, files: Files
) -> None:
    """All faults, and no secret among them; the old process goes on."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url) as program:
        before = children_of(program.process.pid)
        files.write(more='colour = "red"\nbody_seconds = "x"\n')
        code, (broken,) = await ask(tmp_path, server.url)
        files.toml.unlink()
        reload(program)
        await wait_until(
            lambda: "relay.toml is gone; it named 1 endpoint" in program.output(),
            deadline_seconds=60,
            description="it says so",
        )

        assert (code, broken["outcome"]) == (1, "refused")
        assert [word in str(broken["faults"]) for word in ("colour", "body_seconds", SECRET)] == [
            True,
            True,
            False,
        ]
        assert children_of(program.process.pid) == before
        assert status(program, "evt_1", SECRET) == 200


async def test_a_reload_that_does_not_come_up_changes_nothing(
    start_server: StartServer, tmp_path: Path, files: Files
) -> None:
    """The configuration is good, but no process can be started: the old ones go on."""
    server = start_server("valkey", "always")
    path, no_child = hindrance(tmp_path)
    with gateway(tmp_path, server.url, PYTHONPATH=path) as program:
        before = children_of(program.process.pid)
        no_child.touch()
        files.write(secret="another-one")

        reload(program)
        await wait_until(
            lambda: "reload_failed" in program.output(),
            deadline_seconds=60,
            description="it says so",
        )

        assert set(before) <= set(children_of(program.process.pid))
        assert processes(program) == 1
        assert status(program, "evt_1", SECRET) == 200

        no_child.unlink()
        reload(program)
        await reloaded(program, 1)
        assert status(program, "evt_2", "another-one") == 200


async def test_what_a_reload_does_not_change_is_said(
    start_server: StartServer, tmp_path: Path, files: Files
) -> None:
    """The rest of the file is taken over; signals sent in a row become one reload or two."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url) as program:
        files.write(secret="another-one", more='admin_host = "127.0.0.3"\nlog_format = "text"\n')

        for _ in range(5):
            reload(program)
        await wait_until(
            lambda: '"reloaded"' in program.output(),
            deadline_seconds=60,
            description="it has reloaded",
        )

        said = [line for line in program.output().splitlines() if "reload_needs_restart" in line]
        assert any('"admin_host"' in line for line in said)
        assert any('"log_format"' in line for line in said)
        assert not any('"port"' in line for line in said)
        assert status(program, "evt_1", "another-one") == 200
        assert program.terminate() == 0
        assert program.output().count('"reloading"') <= 2


async def test_sigterm_during_a_reload_ends_all(
    start_server: StartServer, tmp_path: Path, files: Files
) -> None:
    """The new processes too, whatever state they are in."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url) as program:
        async with sending(lambda: program.url, connections=CONNECTIONS) as answers:
            await wait_until(lambda: answers.accepted > 100, description="100 are accepted")
            children = await while_another_is_starting(program)

            code = await asyncio.to_thread(program.terminate)

        assert code == 0
        assert run_on(children) == []
        assert set(answers.statuses) == {200}
        assert_all_kept(answers, server)
        # What was stored was answered too: nobody was killed over it.
        assert len(server.entries(STREAM)) == answers.accepted
        assert "Traceback" not in program.output()


async def while_another_is_starting(program: GatewayProgram) -> list[int]:
    """Have it reload until a new process is seen beside the old one, and give both."""
    seen: list[int] = []
    asked = 0

    def both_are_there() -> bool:
        nonlocal asked, seen
        # A machine that stands still may have us miss the moment.
        if program.output().count('"reloaded"') == asked:
            reload(program)
            asked += 1
        seen = children_of(program.process.pid)
        return len(seen) == 2

    await wait_until(both_are_there, deadline_seconds=60, description="another is starting")
    return seen


@pytest.mark.skipif(sys.platform != "linux", reason="needs setsid of Linux")
def test_a_terminal_that_goes_away_ends_it(start_server: StartServer, tmp_path: Path) -> None:
    """The same signal then means what it means to any program that was started by hand."""
    server = start_server("valkey", "always")
    ports = free_port(), free_port()
    ours, theirs = pty.openpty()
    log = tmp_path / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            # `setsid --ctty` gives it the terminal as a login shell has it.
            [
                "setsid", "--ctty", sys.executable, "-m", "relay", "serve",
                f"--port={ports[0]}", f"--admin-port={ports[1]}",
            ],
            stdin=theirs,
            stdout=output,
            stderr=output,
            cwd=tmp_path,
            env=os.environ | {"REDIS_URL": server.url, "UNIPILE_WEBHOOK_SECRET": SECRET},
        )  # fmt: skip
    os.close(theirs)
    program = GatewayProgram(process, log, *ports)
    try:
        wait_until_sync(
            lambda: program.get("/readyz") == 200, deadline_seconds=60, description="it is ready"
        )
        reload(program)
        wait_until_sync(
            lambda: '"reloaded"' in program.output(), deadline_seconds=60, description="it reloads"
        )

        os.close(ours)

        assert process.wait(60) == 0
        assert '"stopped"' in program.output()
    finally:
        program.kill()
