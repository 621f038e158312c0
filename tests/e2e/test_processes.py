"""Several processes on one socket: whoever dies, what was answered 200 is kept, and it goes on."""

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.e2e.test_crash_gateway import CONNECTIONS, assert_all_kept
from tests.e2e.watching import (
    answered_by,
    hindrance,
    is_free,
    metrics,
    processes,
    run_on,
    sockets_of,
    stored,
)
from tests.load import sending
from tests.programs import GatewayProgram, children_of, gateway, start
from tests.servers import Server, free_port, wait_until_sync
from tests.signing import SECRET
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

# The command as it is installed.
RELAY = str(Path(sys.executable).parent / "relay")


@pytest.fixture(scope="module")
def shared(
    shared_servers: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProgram]:
    """One of a single process, for tests that leave it running."""
    with gateway(tmp_path_factory.mktemp("shared"), shared_servers("valkey").url) as program:
        yield program


async def test_two_processes_get_work_and_are_counted_as_one(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Answers come from both, and the sum of what they count is exact."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url, RELAY_PROCESSES="2") as program:
        await wait_until(
            lambda: processes(program) == 2, deadline_seconds=60, description="both take deliveries"
        )
        assert len(children_of(program.process.pid)) == 2
        seen: set[str] = set()

        def both_have_answered() -> bool:
            seen.add(answered_by(program))
            return len(seen) == 2

        await wait_until(both_have_answered, description="both have answered")
        # Were one to hold the other's line to the parent, its end would not be noticed.
        one, other = map(sockets_of, children_of(program.process.pid))
        assert len(one & other) == 1, "only the listening socket is shared"

        async with sending(lambda: program.url, connections=64) as answers:
            await wait_until(lambda: answers.accepted > 1000, description="1000 are accepted")

        assert answers.broken == 0
        assert set(answers.statuses) == {200}
        assert stored(program) == answers.accepted
        assert_all_kept(answers, server)


async def test_a_killed_process_is_replaced_and_loses_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Also where it is the only one: connections wait until the next one accepts them."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url) as program:
        async with sending(lambda: program.url, connections=CONNECTIONS) as answers:
            for number in range(2):
                before = answers.accepted
                await wait_until(
                    lambda before=before: answers.accepted > before + 200,  # type: ignore[misc]
                    description="200 more are accepted",
                )
                counted = await asyncio.to_thread(stored, program)
                (pid,) = children_of(program.process.pid)
                os.kill(pid, signal.SIGKILL)
                await wait_until(
                    lambda number=number: (
                        metrics(program)["relay_process_restarts_total"]  # type: ignore[misc]
                        == number + 1
                    ),
                    deadline_seconds=60,
                    description="it was started again",
                )
                assert stored(program) >= counted
            before = answers.accepted
            await wait_until(lambda: answers.accepted > before, description="it goes on")

        assert answers.broken > 0, "no request was under way when the process died"
        assert set(answers.statuses) == {200}
        assert_all_kept(answers, server)
        assert program.output().count('"child_restarted"') == 2


async def test_children_end_with_a_killed_parent(start_server: StartServer, tmp_path: Path) -> None:
    """Nobody serves on without it: what was taken is answered, and the port is free again."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url, RELAY_PROCESSES="2") as program:
        await wait_until(
            lambda: processes(program) == 2, deadline_seconds=60, description="both take deliveries"
        )
        async with sending(lambda: program.url, connections=CONNECTIONS) as answers:
            await wait_until(lambda: answers.accepted > 100, description="100 are accepted")
            children = children_of(program.process.pid)
            program.process.kill()
            program.process.wait()
            await wait_until(
                lambda: is_free(program.port), deadline_seconds=60, description="the port is free"
            )
            await wait_until(
                lambda: not run_on(children),
                deadline_seconds=60,
                description="the children have ended",
            )

        assert len(children) == 2
        assert set(answers.statuses) == {200}
        assert_all_kept(answers, server)


async def test_a_gateway_can_be_started_right_after_a_kill(
    start_server: StartServer, tmp_path: Path
) -> None:
    """It waits for the children of the other to notice, and takes the address over."""
    server = start_server("valkey", "always")
    port = free_port()
    with gateway(tmp_path, server.url, port=port, name="one") as one:
        one.process.kill()
        with gateway(tmp_path, server.url, port=port, name="two") as two:
            # Until it listens, a child of the other may still have answered.
            await wait_until(
                lambda: "listening" in two.output() and two.get("/readyz") == 200,
                description="the second has the address and is ready",
            )


@pytest.mark.parametrize("sent_to", ["parent", "all"])
async def test_sigterm_under_load_answers_all_that_it_took(
    start_server: StartServer, tmp_path: Path, sent_to: str
) -> None:
    """What is stored was answered, and the exit code is 0; some systems send it to all at once."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url, RELAY_PROCESSES="2") as program:
        async with sending(lambda: program.url, connections=CONNECTIONS) as answers:
            await wait_until(lambda: answers.accepted > 300, description="300 are accepted")
            children = children_of(program.process.pid)
            for pid in children if sent_to == "all" else []:
                os.kill(pid, signal.SIGTERM)
            code = await asyncio.to_thread(program.terminate)

        assert code == 0
        assert run_on(children) == []
        assert set(answers.statuses) == {200}
        assert_all_kept(answers, server)
        assert len(server.entries("relay:{unipile}:message.new")) == answers.accepted
        assert "child_killed" not in program.output()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit of Linux")
def test_a_child_may_have_as_many_connections_as_the_system_lets_it(
    shared: GatewayProgram,
) -> None:
    """The soft limit that it was started with does not count."""
    files = resource.RLIMIT_NOFILE
    _, hard = resource.prlimit(shared.process.pid, files)
    resource.prlimit(shared.process.pid, files, (hard // 2, hard))
    replaced(shared, signal.SIGKILL)

    (pid,) = children_of(shared.process.pid)

    assert resource.prlimit(pid, files) == (hard, hard)
    assert resource.prlimit(shared.process.pid, files) == (hard // 2, hard)


def test_a_child_that_is_asked_to_end_is_replaced(shared: GatewayProgram) -> None:
    """It ends with 0, and another takes its place."""
    replaced(shared, signal.SIGHUP, signal.SIGTERM)  # the first is not meant for it

    assert '"exit_code": 0' in shared.output()
    assert shared.get("/readyz") == 200


def replaced(program: GatewayProgram, *numbers: signal.Signals) -> None:
    """Send the only child signals, and wait until there is another one."""
    before = metrics(program)["relay_process_restarts_total"]
    (pid,) = children_of(program.process.pid)
    for number in numbers:
        os.kill(pid, number)
    wait_until_sync(
        lambda: metrics(program)["relay_process_restarts_total"] == before + 1,
        deadline_seconds=60,
        description="another was started",
    )


def test_a_child_that_hangs_does_not_hold_up_the_end(
    start_server: StartServer, tmp_path: Path
) -> None:
    """It is killed when its time is over, and while it hangs, the parent goes on answering."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url, RELAY_GRACE_SECONDS="0.1") as program:
        (pid,) = children_of(program.process.pid)
        os.kill(pid, signal.SIGSTOP)
        assert metrics(program)["relay_processes"] == 1

        assert program.terminate() == 0

        assert run_on([pid]) == []
        assert "child_killed" in program.output()


def test_what_cannot_start_is_tried_again_and_again(
    start_server: StartServer, tmp_path: Path
) -> None:
    """The parent stays, says that it is not ready, and all is well once a child can start."""
    server = start_server("valkey", "always")
    path, no_child = hindrance(tmp_path)
    no_child.touch()
    ports = free_port(), free_port()
    begun = start(
        ["-m", "relay", "serve", f"--port={ports[0]}", f"--admin-port={ports[1]}"],
        tmp_path,
        "gateway",
        REDIS_URL=server.url,
        UNIPILE_WEBHOOK_SECRET=SECRET,
        PYTHONPATH=path,
    )
    program = GatewayProgram(begun.process, begun.log, *ports)
    admin = GatewayProgram(begun.process, begun.log, ports[1], ports[1])
    try:
        wait_until_sync(
            lambda: program.output().count("child_start_failed") >= 3,
            deadline_seconds=60,
            description="a child was tried three times",
        )
        assert admin.get("/livez") == 200
        assert admin.get("/readyz") == 503
        assert processes(program) == 0
        assert metrics(program)["relay_process_restarts_total"] == 0

        no_child.unlink()

        wait_until_sync(
            lambda: admin.get("/readyz") == 200, deadline_seconds=60, description="it is ready"
        )
        assert program.get("/readyz") == 200
        assert program.terminate() == 0
    finally:
        program.kill()


def test_a_child_looks_for_modules_where_its_parent_does(
    start_server: StartServer, tmp_path: Path
) -> None:
    """A file that lies about in the directory of the start does not take a module's place."""
    server = start_server("valkey", "always")
    (tmp_path / "redis.py").write_text("raise SystemExit('not meant')\n")
    ports = free_port(), free_port()
    begun = start(
        [RELAY, "serve", f"--port={ports[0]}", f"--admin-port={ports[1]}"],
        tmp_path,
        "gateway",
        REDIS_URL=server.url,
    )
    program = GatewayProgram(begun.process, begun.log, *ports)
    try:
        wait_until_sync(
            lambda: program.get("/readyz") == 200, deadline_seconds=60, description="it is ready"
        )
    finally:
        program.kill()


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_a_port_in_use_is_named(tmp_path: Path, option: str) -> None:
    """The message says which, and the exit code is 1; no child is left."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ports = {"--port": 0, "--admin-port": 0, option: port}
        words = [f"{name}={value}" for name, value in ports.items()]
        program = start(["-m", "relay", "serve", *words], tmp_path, "gateway")

        assert program.process.wait(60) == 1
        assert str(port) in program.output()
        assert option in program.output()
        assert "Traceback" not in program.output()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_a_password_is_in_no_process_list(start_server: StartServer, tmp_path: Path) -> None:
    """What a child is told goes over its socket, though the parent was told by an option."""
    server = start_server("valkey", "always")
    url = server.url.replace("redis://", "redis://default:hidden@")
    with server.client() as client:
        client.config_set("requirepass", "hidden")
    ports = free_port(), free_port()
    words = [f"--port={ports[0]}", f"--admin-port={ports[1]}", f"--redis-url={url}"]
    begun = start(["-m", "relay", "serve", *words], tmp_path, "gateway")
    program = GatewayProgram(begun.process, begun.log, *ports)
    try:
        wait_until_sync(
            lambda: program.get("/readyz") == 200, deadline_seconds=60, description="it is ready"
        )
        (child,) = children_of(program.process.pid)
        for name in ("cmdline", "environ"):
            assert b"hidden" not in Path(f"/proc/{child}/{name}").read_bytes()
        assert "hidden" not in program.output()
    finally:
        program.kill()
