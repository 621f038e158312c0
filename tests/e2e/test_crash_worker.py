"""Worker processes that are killed, stopped and cut off: every event is handled all the same."""

import asyncio
import contextlib
import signal
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from relay.contract.connect import connect, text_of
from tests.consumers.making import GROUP, append_events, consumers_of, make_stream, pending
from tests.programs import STOP_SECONDS, Program, worker
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

EVENTS = 300
# So many are handled at once; all others wait until the test says so.
FREE = 100
# A dead worker is known by fifteen seconds without a beat; the sweep comes after that.
TAKEOVER_SECONDS = 45.0

# Handled ids are on disk before the handler returns, so that no crash can forget one. However fast
# or slow the machine is, both processes have entries in hand until the test lets them go on.
HANDLERS = """
    import asyncio, os, pathlib, threading, time
    from consumers import Event, Worker

    worker = Worker(group="crm")
    book = os.open("handled.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event):
        os.write(book, f"{event.id} {event.attempt}\\n".encode())
        os.fsync(book)

    @worker.on("unipile:message.new", concurrency=5, read_ahead=50)
    async def handle(event: Event) -> None:
        await asyncio.sleep(0.01)
        while int(event.id[4:]) >= FREE and not pathlib.Path("go").exists():
            await asyncio.sleep(0.01)
        note(event)

    @worker.on("unipile:hanging", concurrency=1)
    def hang(event: Event) -> None:
        note(event)
        threading.Event().wait()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a module of handlers, as a user has one."""
    text = textwrap.dedent(HANDLERS).replace("FREE", str(FREE))
    (tmp_path / "handlers.py").write_text(text)
    return tmp_path


def go_on(directory: Path) -> None:
    """Let all events be handled."""
    (directory / "go").touch()


def handled(directory: Path) -> list[str]:
    """Give the ids of the handled events, one for each run that came to its end."""
    book = directory / "handled.txt"
    if not book.exists():
        return []
    return [line.split()[0] for line in book.read_text().splitlines() if line.count(" ") == 1]


def numbered(count: int = EVENTS) -> list[str]:
    """Name some events."""
    return [f"evt_{number}" for number in range(count)]


@contextlib.asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[Redis]:
    """Have a client within the block."""
    client = connect(server.url, role="test", connections=20)
    yield client
    await client.aclose()


async def until_handled(
    directory: Path, count: int, *, deadline_seconds: float = 60.0, programs: tuple[Program, ...]
) -> None:
    """Wait until so many different events are handled; say what the workers said if not."""
    try:
        await wait_until(
            lambda: len(set(handled(directory))) >= count,
            deadline_seconds=deadline_seconds,
            description=f"{count} handled",
        )
    except AssertionError as error:
        said = "\n".join(program.output()[-1500:] for program in programs)
        raise AssertionError(f"{error}; {len(set(handled(directory)))} were\n{said}") from error


async def settled(store: Redis) -> None:
    """Wait until the group has nothing pending."""

    async def done() -> bool:
        return not await pending(store)

    await wait_until(done, description="everything is settled")


@contextlib.asynccontextmanager
async def two_at_work(
    directory: Path, server: Server
) -> AsyncIterator[tuple[Redis, Program, Program]]:
    """Have two workers within the block, in the middle of many events; both hold some."""
    async with client_of(server) as store:
        await append_events(store, numbered())
        with (
            worker(directory, server.url, "handlers:worker", name="one") as one,
            worker(directory, server.url, "handlers:worker", name="two") as two,
        ):
            await until_handled(directory, FREE, programs=(one, two))
            await both_hold(store)
            yield store, one, two


async def test_a_killed_workers_events_are_handled_by_another(
    directory: Path, start_server: Callable[..., Server]
) -> None:
    """Killed in the middle of its events, what it held is taken over: none is missing."""
    server = start_server("valkey", "none")
    async with two_at_work(directory, server) as (store, one, two):
        one.kill()
        held = await held_by_the_dead(store, one)
        go_on(directory)
        await until_handled(directory, EVENTS, deadline_seconds=TAKEOVER_SECONDS, programs=(two,))
        await settled(store)

        assert held
        assert "entries_taken_over" in two.output()
    twice = len(handled(directory)) - EVENTS

    assert set(handled(directory)) == set(numbered())
    # Only what ran while it was killed, or was handled and not yet acknowledged, runs again.
    assert twice <= len(held)


async def both_hold(store: Redis) -> None:
    """Wait until two processes hold entries, so that killing one hits work in flight."""

    async def two() -> bool:
        return len(set((await pending(store)).values())) == 2

    await wait_until(two, deadline_seconds=60, description="both hold entries")


async def held_by_the_dead(store: Redis, dead: Program) -> list[str]:
    """Give the entries that are pending under a process that is gone."""
    held = await pending(store)
    return [entry_id for entry_id, name in held.items() if f"-{dead.process.pid}-" in name]


async def test_a_worker_that_is_asked_to_end_hands_everything_back(
    directory: Path, start_server: Callable[..., Server]
) -> None:
    """Its handlers finish, the rest is another's at once, and it ends with success."""
    server = start_server("valkey", "none")
    async with two_at_work(directory, server) as (store, one, two):
        one.process.terminate()
        await wait_until(
            lambda: "worker_stopping" in one.output(), deadline_seconds=60, description="it is told"
        )
        go_on(directory)
        code = await asyncio.to_thread(one.process.wait, STOP_SECONDS)
        names = await consumers_of(store)
        await until_handled(directory, EVENTS, programs=(two,))
        await settled(store)

    assert code == 0
    assert not [name for name in names if f"-{one.process.pid}-" in name]
    assert "Traceback" not in one.output()
    # Nothing was lost, and nothing was run twice.
    assert sorted(handled(directory)) == sorted(numbered())


async def test_a_handler_that_hangs_in_a_thread_does_not_keep_the_process(
    directory: Path, start_server: Callable[..., Server]
) -> None:
    """Its entry stays pending, so that another worker has it when this one is gone."""
    server = start_server("valkey", "none")
    stream = make_stream("hanging")
    async with client_of(server) as store:
        (entry_id,) = await append_events(store, ["evt_hangs"], "hanging")
        with worker(
            directory, server.url, "handlers:worker", RELAY_WORKER__GRACE_SECONDS="0.2"
        ) as one:
            await until_handled(directory, 1, programs=(one,))
            code = await asyncio.to_thread(one.terminate)
        held = await pending(store, stream)
        beats = [text_of(key) async for key in store.scan_iter("relay:@alive:*")]

    assert code == 0
    assert list(held) == [entry_id]
    assert f"-{one.process.pid}-" in held[entry_id]
    assert beats == []


async def test_a_killed_server_costs_no_event(
    directory: Path, start_server: Callable[..., Server]
) -> None:
    """What was appended is handled after its restart, by the same processes."""
    server = start_server("valkey", "always")
    async with two_at_work(directory, server) as (store, one, two):
        server.kill()
        go_on(directory)
        server.start()
        await until_handled(directory, EVENTS, programs=(one, two))
        await settled(store)

        assert one.process.poll() is None
        assert two.process.poll() is None

    assert set(handled(directory)) == set(numbered())


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("handlers:absent", "'absent' in handlers is nothing"),
        ("nowhere:worker", "there is no module 'nowhere' here"),
        ("faulty:worker", "neither is more specific"),
    ],
)
async def test_a_worker_that_cannot_start_says_why(directory: Path, target: str, said: str) -> None:
    """In a sentence, with the exit code of a wrong configuration."""
    (directory / "faulty.py").write_text(
        "from consumers import Worker\nworker = Worker(group='crm')\n"
        "worker.on('unipile:*')(print)\nworker.on('unipile:*')(print)\n"
    )
    with worker(directory, "redis://127.0.0.1:1/0", target) as program:
        code = await asyncio.to_thread(program.process.wait, 60)

    assert code == 2
    assert said in program.output()
    assert "Traceback" not in program.output()


async def test_ctrl_c_ends_a_worker_like_sigterm(
    directory: Path, start_server: Callable[..., Server]
) -> None:
    """People stop it by hand."""
    server = start_server("valkey", "none")
    async with client_of(server) as store:
        await append_events(store, ["evt_1"])
        with worker(directory, server.url, "handlers:worker") as program:
            await until_handled(directory, 1, programs=(program,))
            program.process.send_signal(signal.SIGINT)
            code = await asyncio.to_thread(program.process.wait, 60)
        names = await consumers_of(store)

    assert code == 0
    assert names == {"@left"}
    assert GROUP in program.output()
