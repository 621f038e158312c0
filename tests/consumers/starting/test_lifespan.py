"""What handlers share: opened before anything is read, closed after they have finished."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import Worker
from consumers.starting import lifespan as module
from consumers.starting.lifespan import Lifespan, StartFailed
from tests.waiting import wait_until


class Notes:
    """A worker, and what its resources and hooks did, in order."""

    def __init__(self) -> None:
        self.worker = Worker(group="crm")
        self.done: list[str] = []

    def resource(self, name: str, *needs: str, error: BaseException | None = None) -> None:
        """Declare a resource that notes its opening and its closing."""

        async def opened(**values: Any) -> AsyncIterator[str]:
            self.done.append(f"open {name}")
            yield name
            self.done.append(f"close {name}")
            if error is not None:
                raise error

        # A parameter for each of its needs.
        scope: dict[str, Any] = {"opened": opened}
        given = ", ".join(f"{need}={need}" for need in needs)
        exec(
            f"async def {name}({', '.join(needs)}):\n"
            f"    async for value in opened({given}):\n"
            f"        yield value\n",
            scope,
        )
        self.worker.resource(scope[name])

    def lifespan(self) -> Lifespan:
        """Make what opens and closes them."""
        assert [fault for fault in self.worker._own_faults() if "no handler" not in fault] == []
        return Lifespan(self.worker)


@pytest.fixture
def notes() -> Notes:
    """A worker without anything."""
    return Notes()


async def lived(lifespan: Lifespan, patience_seconds: float = 10.0) -> dict[str, Any]:
    """Open and close everything, and give what was open."""
    assert await lifespan.start(asyncio.Event())
    resources = dict(lifespan.resources)
    await lifespan.stop(patience_seconds)
    return resources


# --- in order


async def test_resources_open_after_what_they_need_and_close_before_it(notes: Notes) -> None:
    """Whatever the order of declaration; hooks run between."""
    notes.resource("service", "pool", "config")
    notes.resource("pool", "config")
    notes.resource("config")

    @notes.worker.on_startup
    async def check(service: str) -> None:
        notes.done.append(f"check {service}")

    @notes.worker.on_startup
    def warm() -> None:
        notes.done.append("warm")

    @notes.worker.on_shutdown
    def report(pool: str) -> None:
        notes.done.append(f"report {pool}")

    resources = await lived(notes.lifespan())

    assert resources == {"config": "config", "pool": "pool", "service": "service"}
    assert notes.done == [
        *("open config", "open pool", "open service"),
        *("check service", "warm", "report pool"),
        *("close service", "close pool", "close config"),
    ]


def kinds(done: list[str]) -> list[Callable[[], Any]]:
    """Make a resource in each of the ways there are."""

    async def value_later() -> str:
        return "value"

    def value() -> str:
        return "value"

    def awaitable() -> Any:
        return value_later()

    async def generator_later() -> AsyncIterator[str]:
        yield "value"
        done.append("closed")

    def generator() -> Iterator[str]:
        yield "value"
        done.append("closed")

    return [
        *(value_later, value, awaitable, generator_later, generator),
        *(asynccontextmanager(generator_later), contextmanager(generator)),
    ]


@pytest.mark.parametrize("number", range(7))
async def test_a_resource_may_be_written_in_any_usual_way(number: int) -> None:
    """With a yield it is closed; without one it is what was returned."""
    done: list[str] = []
    worker = Worker(group="crm")
    worker.resource(kinds(done)[number])
    (value,) = (await lived(Lifespan(worker))).values()

    assert value == "value"
    assert done == (["closed"] if number > 2 else [])


async def test_what_one_task_enters_it_leaves(notes: Notes) -> None:
    """A task group, or a limit in time, can be a resource's inside."""

    @notes.worker.resource
    async def group() -> AsyncIterator[asyncio.TaskGroup]:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            yield tasks

    with capture_logs() as logs:
        (tasks,) = (await lived(notes.lifespan())).values()

    assert isinstance(tasks, asyncio.TaskGroup)
    assert logs == []


async def test_plain_functions_run_in_threads(notes: Notes) -> None:
    """They may block, and the loop goes on: it must hear of the end."""
    threads: list[threading.Thread] = []

    @notes.worker.resource
    def pool() -> Iterator[None]:
        threads.append(threading.current_thread())
        yield
        threads.append(threading.current_thread())

    @notes.worker.on_startup
    def hook() -> None:
        threads.append(threading.current_thread())

    await lived(notes.lifespan())

    assert len(threads) == 3
    assert threading.main_thread() not in threads


async def test_stopping_twice_or_before_the_start_does_no_harm(notes: Notes) -> None:
    """The end of a process may come at any time."""
    notes.resource("pool")
    lifespan = notes.lifespan()
    await lifespan.stop(1)
    await lived(lifespan)
    await lifespan.stop(1)

    assert notes.done == ["open pool", "close pool"]


# --- what fails at the start


@pytest.mark.parametrize(
    "error",
    [ValueError("redis://:secret@host"), SystemExit("no"), asyncio.CancelledError()],
    ids=["error", "exit", "cancelled from inside"],
)
@pytest.mark.parametrize("kind", ["resource", "hook", "plain hook", "plain resource"])
async def test_a_failing_start_says_so_and_closes_what_was_open(
    notes: Notes, kind: str, error: BaseException
) -> None:
    """The message is the user's own, with its place; nothing after it is opened."""
    notes.resource("pool")

    async def broken() -> None:
        raise error

    def plain_broken() -> None:
        raise error

    function = plain_broken if kind.startswith("plain") else broken
    if kind.endswith("resource"):
        notes.worker.resource(function)
        notes.resource("never")
    else:
        notes.worker.on_startup(function)

        @notes.worker.on_startup
        def never() -> None:
            notes.done.append("never")

        @notes.worker.on_shutdown
        def not_either() -> None:
            notes.done.append("not either")

    with pytest.raises(StartFailed) as caught:
        await notes.lifespan().start(asyncio.Event())

    assert notes.done == ["open pool", "close pool"]
    what = "resource" if kind.endswith("resource") else "start-up hook"
    assert str(caught.value).startswith(
        f"{what} {function.__name__!r} failed at start: {type(error).__name__}"
    )
    assert "test_lifespan.py:" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_generator_without_a_yield_on_its_way_fails_the_start(notes: Notes) -> None:
    """It has nothing to give."""

    @notes.worker.resource
    def pool() -> Iterator[str]:
        if notes.done:
            yield "never"

    with pytest.raises(StartFailed, match="resource 'pool' failed at start: RuntimeError"):
        await notes.lifespan().start(asyncio.Event())


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_start_that_hangs_is_broken_off_by_the_end(notes: Notes, kind: str) -> None:
    """SIGTERM is heard meanwhile; what was opened is closed."""
    stop = asyncio.Event()
    gate = threading.Event()
    notes.resource("config")
    # One that waits for a task of its own which it has cancelled.
    notes.resource("pool", error=asyncio.CancelledError())

    async def hang(pool: str) -> AsyncIterator[None]:
        stop.set()
        await asyncio.Event().wait()
        yield

    def plain_hang(pool: str) -> None:
        loop.call_soon_threadsafe(stop.set)
        gate.wait()

    loop = asyncio.get_running_loop()
    notes.worker.resource(hang if kind == "async" else plain_hang)
    started = await notes.lifespan().start(stop)
    gate.set()

    assert not started
    assert notes.done == ["open config", "open pool", "close pool", "close config"]


# --- what fails at the end


@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit(1), asyncio.CancelledError()])
async def test_what_fails_to_close_does_not_keep_the_others_from_it(
    notes: Notes, error: BaseException
) -> None:
    """Each failure is logged by kind and place; its message may quote anything."""
    notes.resource("first")
    notes.resource("second", error=error)
    notes.resource("third")

    @notes.worker.on_shutdown
    async def failing() -> None:
        raise error

    @notes.worker.on_shutdown
    async def other() -> None:
        notes.done.append("other")

    with capture_logs() as logs:
        await lived(notes.lifespan())

    assert notes.done[3:] == ["other", "close third", "close second", "close first"]
    assert [(line["event"], line["what"], line["error"]) for line in logs] == [
        ("closing_failed", "failing", type(error).__name__),
        ("closing_failed", "second", type(error).__name__),
    ]
    assert all(line["frames"] for line in logs)
    assert "secret" not in str(logs)


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_what_hangs_at_the_end_is_left_and_the_others_are_closed(
    notes: Notes, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The end of the process comes all the same."""
    monkeypatch.setattr(module, "LAST_CLOSE_SECONDS", 0.1)
    gate = threading.Event()
    notes.resource("first")

    async def hang(first: str) -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()

    def plain_hang(first: str) -> Iterator[None]:
        yield
        gate.wait()

    notes.worker.resource(hang if kind == "async" else plain_hang)
    lifespan = notes.lifespan()
    with capture_logs() as logs:
        await lived(lifespan, 0.01)
    gate.set()

    assert notes.done == ["open first", "close first"]
    assert [(line["event"], line["error"]) for line in logs] == [("closing_failed", "TimeoutError")]
    assert lifespan.left_running == 0


async def test_who_is_in_a_hurry_waits_for_nothing_that_hangs(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second signal has come."""
    monkeypatch.setattr(module, "LAST_CLOSE_SECONDS", 0.01)
    notes.resource("first")
    closing = asyncio.Event()

    @notes.worker.resource
    async def hang(first: str) -> AsyncIterator[None]:
        yield
        closing.set()
        await asyncio.Event().wait()

    lifespan = notes.lifespan()
    lifespan.hurry()
    assert await lifespan.start(asyncio.Event())
    stopping = asyncio.create_task(lifespan.stop(3600))
    await closing.wait()
    lifespan.hurry()
    await asyncio.wait_for(stopping, 10)

    assert notes.done == ["open first", "close first"]


async def test_a_coroutine_that_cannot_be_ended_is_left_running(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, so that the process can end without it."""
    monkeypatch.setattr(module, "LAST_CLOSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    gate = asyncio.Event()

    @notes.worker.resource
    async def stubborn() -> AsyncIterator[None]:
        yield
        while not gate.is_set():
            with suppress(asyncio.CancelledError):
                await gate.wait()

    lifespan = notes.lifespan()
    with capture_logs() as logs:
        await lived(lifespan, 0.01)
    left = lifespan.left_running
    gate.set()
    task = lifespan._task
    assert task is not None
    await wait_until(task.done, description="it has ended")

    assert left == 1
    assert [(line["event"], line["what"]) for line in logs][-1] == ("closing_overdue", "stubborn")
