"""Several worker processes under one parent, and code that changes while they run."""

import asyncio
import os
import signal
import textwrap
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.conftest import StartServer
from tests.consumers.making import append_events, consumers_of, make_stream, pending
from tests.e2e.test_crash_worker import both_hold, client_of
from tests.e2e.watching import run_on
from tests.programs import Program, children_of, worker
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

START_SECONDS = 60.0
# So many are handled at once; all others wait until the test says so.
FREE = 300

# What was handled is on disk before the handler returns, with the process that did it.
HANDLERS = """
    import asyncio, os, pathlib, sys
    from consumers import Event, Worker

    worker = Worker(group="crm")
    book = os.open("handled.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event):
        os.write(book, f"{event.id} {os.getpid()}\\n".encode())

    @worker.on("unipile:message.new", concurrency=5, read_ahead=10)
    async def handle(event: Event) -> None:
        await asyncio.sleep(0.002)
        while event.id in LATER and not pathlib.Path("go").exists():
            await asyncio.sleep(0.01)
        note(event)

    @worker.on("unipile:endless", concurrency=1)
    async def hang(event: Event) -> None:
        note(event)
        await asyncio.Event().wait()
"""

EVENTS = [f"evt_{number}" for number in range(600)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a module of handlers, as a user has one."""
    text = textwrap.dedent(HANDLERS).replace("LATER", repr(set(EVENTS[FREE:])))
    (tmp_path / "handlers.py").write_text(text)
    return tmp_path


def handled(directory: Path) -> list[tuple[str, int]]:
    """Give the ids of the handled events, each with the process that did it."""
    book = directory / "handled.txt"
    lines = book.read_text().splitlines() if book.exists() else []
    return [(line.split()[0], int(line.split()[1])) for line in lines]


async def until_said(program: Program, word: str, times: int = 1) -> None:
    """Wait until a program has said something so often."""
    try:
        await wait_until(
            lambda: program.output().count(word) >= times,
            deadline_seconds=START_SECONDS,
            description=f"{word} is said {times} times",
        )
    except AssertionError as error:
        raise AssertionError(f"{error}; it said {program.output()[-2000:]}") from error


async def test_processes_share_the_work_and_the_dead_are_replaced(
    directory: Path, start_server: StartServer
) -> None:
    """Two handle; one that is killed comes back; the end of both loses and doubles nothing."""
    server = start_server("valkey", "none")
    async with client_of(server) as store:
        await append_events(store, ["evt_0"])
        with worker(directory, server.url, "handlers:worker", "--processes=2") as program:
            await until_said(program, "stream_joined", 2)
            await wait_until(
                lambda: bool(handled(directory)),
                deadline_seconds=START_SECONDS,
                description="one is handled",
            )
            await until_settled(store)
            # Idle when it is killed: what a dead process held is another test's.
            killed = children_of(program.process.pid)[0]
            os.kill(killed, signal.SIGKILL)
            await until_said(program, "child_restarted")
            await until_said(program, "stream_joined", 3)
            await append_events(store, EVENTS[1:])
            await wait_until(
                lambda: len(handled(directory)) >= FREE,
                deadline_seconds=START_SECONDS,
                description="some are handled",
            )
            await both_hold(store)
            children = children_of(program.process.pid)
            # As a system does that tells every process of a service.
            for pid in [*children, program.process.pid]:
                os.kill(pid, signal.SIGTERM)
            await until_said(program, "worker_stopping", 2)
            (directory / "go").touch()
            code = await asyncio.to_thread(program.process.wait, 60)
            some = handled(directory)
            left = await pending(store)

    assert code == 0
    assert len(children) == 2
    assert run_on([*children, killed]) == []
    assert {pid for _, pid in some[1:]} == set(children)
    assert FREE < len(some) < len(EVENTS)
    assert set(left.values()) <= {"@park"}
    assert "child_killed" not in program.output()
    assert "worker_hurried" not in program.output()
    await the_rest_is_handled_once(directory, server)


async def until_settled(store: Redis) -> None:
    """Wait until nothing is pending."""

    async def nothing() -> bool:
        return not await pending(store)

    await wait_until(nothing, description="everything is settled")


async def the_rest_is_handled_once(directory: Path, server: Server) -> None:
    """Have a worker handle what is left, and nothing that others have handled."""
    with worker(directory, server.url, "handlers:worker", name="next") as program:
        await wait_until(
            lambda: len(handled(directory)) >= len(EVENTS),
            deadline_seconds=START_SECONDS,
            description="all are handled",
        )
        assert program.terminate() == 0

    assert sorted(event_id for event_id, _ in handled(directory)) == sorted(EVENTS)


async def test_processes_end_with_a_killed_parent(
    directory: Path, start_server: StartServer
) -> None:
    """In order: nobody works on without it, and they leave no name behind."""
    server = start_server("valkey", "none")
    async with client_of(server) as store:
        await append_events(store, ["evt_1"])
        with worker(directory, server.url, "handlers:worker", "--processes=2") as program:
            await until_said(program, "stream_joined", 2)
            await wait_until(
                lambda: bool(handled(directory)),
                deadline_seconds=START_SECONDS,
                description="one is handled",
            )
            children = children_of(program.process.pid)
            program.process.kill()
            program.process.wait()
            await wait_until(
                lambda: not run_on(children),
                deadline_seconds=START_SECONDS,
                description="the children have ended",
            )
            names = await consumers_of(store)

    assert len(children) == 2
    assert names <= {"@park", "@left"}
    assert program.output().count("worker_stopped") == 2


@pytest.mark.parametrize("options", [(), ("--processes=2",)], ids=["alone", "two"])
async def test_a_second_signal_ends_at_once(
    directory: Path, start_server: StartServer, options: tuple[str, ...]
) -> None:
    """The first waits for a handler that never ends; the second hands its entry back."""
    if not options:
        # Python would wait for it for ever.
        endless = "\nimport threading\nthreading.Thread(target=threading.Event().wait).start()\n"
        (directory / "handlers.py").write_text(textwrap.dedent(HANDLERS) + endless)
    server = start_server("valkey", "none")
    stream = make_stream("endless")
    async with client_of(server) as store:
        await append_events(store, EVENTS[:2], "endless")
        with worker(
            directory,
            server.url,
            "handlers:worker",
            *options,
            RELAY_WORKER__GRACE_SECONDS="1000",
        ) as program:
            await wait_until(
                lambda: bool(handled(directory)),
                deadline_seconds=START_SECONDS,
                description="one runs",
            )
            program.process.send_signal(signal.SIGINT)
            await until_said(program, "worker_stopping", 1)

            def told_again() -> bool:
                # Again and again, since two at the same moment are one; and beyond what is needed.
                program.process.send_signal(signal.SIGINT)
                return program.process.poll() is not None

            await wait_until(told_again, deadline_seconds=START_SECONDS, description="it has ended")
            code = program.process.returncode
            left = await pending(store, stream)
            names = await consumers_of(store, stream)

    assert code == 0, program.output()
    assert set(left.values()) == {"@park"}
    assert len(left) == 2
    assert names == {"@park", "@left"}
    assert "child_killed" not in program.output()


async def test_a_faulty_module_is_said_once(directory: Path) -> None:
    """Before there are others that would say it again, and with the exit code of one worker."""
    (directory / "broken.py").write_text("1 / 0\n")
    with worker(directory, "redis://127.0.0.1:1/0", "broken:worker", "--processes=3") as program:
        code = await asyncio.to_thread(program.process.wait, 60)

    assert code == 2
    assert program.output().count("ZeroDivisionError") == 1
    assert "child_" not in program.output()


async def test_changed_code_runs_and_broken_code_is_waited_out(
    directory: Path, start_server: StartServer
) -> None:
    """A mistake is said; the next change mends it, and nothing had to be started by hand."""
    server = start_server("valkey", "none")
    good = (directory / "handlers.py").read_text()
    with worker(directory, server.url, "handlers:worker", "--reload", "--processes=2") as program:
        await until_said(program, "worker_started", 2)
        (directory / "handlers.py").write_text(good + "\ndef (\n")
        await until_said(program, "code_unusable")
        assert children_of(program.process.pid) == []
        (directory / "handlers.py").write_text(good.replace("{event.id}", "new_{event.id}"))
        async with client_of(server) as store:
            await append_events(store, ["evt_1"])
            await wait_until(
                lambda: bool(handled(directory)),
                deadline_seconds=START_SECONDS,
                description="the new code has handled it",
            )
        assert program.terminate() == 0

    assert [event_id for event_id, _ in handled(directory)] == ["new_evt_1"]
    assert program.output().count("SyntaxError") == 1
    assert program.output().count("code_changed") == 2
