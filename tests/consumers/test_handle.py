"""How one run of a handler ends."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import GiveUp, Retry
from consumers import handle as handle_module
from consumers.event import Event
from consumers.handle import MAX_ERROR_CHARACTERS, Runner
from consumers.outcome import Done, Failed, GaveUp, Outcome, Skipped
from tests.consumers.making import make_handler, make_seen
from tests.waiting import wait_until


class Unspeakable(Exception):
    """An exception whose message cannot be read."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class UnspeakableTimeout(TimeoutError):
    """The same, as a time-out."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def raising(error: BaseException) -> tuple[Callable[[Event], object], Callable[[Event], object]]:
    """Make an asynchronous and a plain handler that raise an error."""

    async def asynchronous(event: Event) -> None:
        raise error

    def plain(event: Event) -> None:
        raise error

    return asynchronous, plain


async def run(function: Callable[[Event], object], **options: Any) -> Outcome:
    """Run a handler once."""
    runner = Runner(make_handler(function, **options))
    try:
        return await runner.run(make_seen())
    finally:
        runner.close()


@contextmanager
def hanging() -> Iterator[tuple[Callable[[Event], None], threading.Event, list[str]]]:
    """Make a plain handler that hangs until the gate is opened, and the list of its runs."""
    gate, runs = threading.Event(), list[str]()

    def hang(event: Event) -> None:
        runs.append(event.id)
        gate.wait()

    try:
        yield hang, gate, runs
    finally:
        gate.set()


# --- both kinds of functions


async def test_an_asynchronous_handler_runs_in_the_loop() -> None:
    """It shares the loop's thread with everything else."""
    seen: list[object] = []

    async def handle(event: Event) -> None:
        seen.append((event.id, threading.current_thread()))

    assert await run(handle) == Done()
    assert seen == [("evt_1", threading.main_thread())]


async def test_a_plain_handler_runs_in_a_thread_of_its_own() -> None:
    """It may block without stopping the others; context variables are there all the same."""
    mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark")
    mark.set("ours")
    seen: list[object] = []

    def handle(event: Event) -> None:
        seen.append((event.id, mark.get(), threading.current_thread() is threading.main_thread()))

    assert await run(handle) == Done()
    assert seen == [("evt_1", "ours", False)]


async def test_an_object_with_an_asynchronous_call_is_awaited() -> None:
    """In a thread its coroutine would be made and never run."""
    seen: list[str] = []

    class Handle:
        async def __call__(self, event: Event) -> None:
            seen.append(event.id)

    assert await run(Handle()) == Done()
    assert seen == ["evt_1"]


# --- what a handler raises


@pytest.mark.parametrize("kind", [0, 1], ids=["async", "plain"])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("no"), Failed("ValueError", "ValueError: no")),
        (GiveUp("useless"), GaveUp("GiveUp: useless")),
        (TimeoutError("theirs"), Failed("TimeoutError", "TimeoutError: theirs")),
        (
            asyncio.CancelledError(),
            Failed("CancelledError", "CancelledError: the handler was cancelled from inside"),
        ),
        (Unspeakable(), Failed("Unspeakable", "Unspeakable: (its message cannot be read)")),
    ],
    ids=["error", "give up", "time-out", "cancelled from inside", "broken __str__"],
)
async def test_what_a_handler_raises_becomes_its_outcome(
    kind: int, error: BaseException, outcome: Outcome
) -> None:
    """Nothing escapes, whichever kind of function it is."""
    assert await run(raising(error)[kind]) == outcome


@pytest.mark.parametrize("kind", [0, 1], ids=["async", "plain"])
async def test_a_handler_may_run_out_of_items(kind: int) -> None:
    """A StopIteration cannot pass through a future, and must not leave its lane waiting."""
    outcome = await asyncio.wait_for(run(raising(StopIteration())[kind]), 10)

    assert isinstance(outcome, Failed)
    assert "StopIteration" in outcome.error


@pytest.mark.parametrize("kind", [0, 1], ids=["async", "plain"])
async def test_a_time_out_of_a_handlers_own_may_have_a_broken_message(kind: int) -> None:
    """It is a failure like any other."""
    outcome = await run(raising(UnspeakableTimeout())[kind])

    assert isinstance(outcome, Failed)
    assert outcome.retryable


async def test_an_error_is_cut_to_what_a_dead_letter_may_hold() -> None:
    """A message can quote a whole body."""
    outcome = await run(raising(ValueError("x" * 10_000))[0])

    assert isinstance(outcome, Failed)
    assert len(outcome.error) == MAX_ERROR_CHARACTERS


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (ConnectionResetError(), True),
        (ValueError(), False),
        (TimeoutError(), True),
        (asyncio.CancelledError(), True),
    ],
)
async def test_only_the_policys_exceptions_are_retried(
    error: BaseException, *, retryable: bool
) -> None:
    """Subclasses count; a time-out and a cancellation say nothing against another attempt."""
    outcome = await run(raising(error)[0], retry=Retry(on=(ConnectionError,)))

    assert isinstance(outcome, Failed)
    assert outcome.retryable is retryable


# --- what proves too little


@pytest.mark.parametrize(
    ("assurance", "accepts", "outcome"),
    [
        ("none", False, Skipped("unverified")),
        ("none", True, Done()),
        ("sender", False, Done()),
        ("body", False, Done()),
    ],
)
async def test_an_event_that_proves_nothing_is_run_only_where_that_is_wanted(
    assurance: str, *, accepts: bool, outcome: Outcome
) -> None:
    """Skipping it calls nothing."""
    calls: list[str] = []

    async def handle(event: Event) -> None:
        calls.append(event.id)

    runner = Runner(make_handler(handle, accept_unverified=accepts))

    assert await runner.run(make_seen(assurance=assurance)) == outcome
    assert bool(calls) is (outcome == Done())


# --- time


async def test_a_coroutine_over_its_time_is_cancelled() -> None:
    """It fails, and says how long it had."""
    ended: list[str] = []

    async def handle(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(event.id)

    outcome = await run(handle, timeout_seconds=0.01)

    assert outcome == Failed("TimeoutError", "TimeoutError: no end within 0.01 s")
    assert ended == ["evt_1"]


async def test_a_coroutine_that_swallows_its_cancellation_and_returns_is_done() -> None:
    """It came to its end, and its task is as usable as before."""

    async def handle(event: Event) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    outcome = await run(handle, timeout_seconds=0.01)
    task = asyncio.current_task()

    assert outcome == Done()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_coroutine_that_makes_an_error_of_its_cancellation_has_failed() -> None:
    """The error that it raised counts."""

    async def handle(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("instead") from None

    assert await run(handle, timeout_seconds=0.01) == Failed("ValueError", "ValueError: instead")


async def test_no_bound_means_no_time_out() -> None:
    """Neither kind is given one."""

    async def handle(event: Event) -> None:
        assert asyncio.current_task() is not None

    assert await run(handle, timeout_seconds=None) == Done()
    assert await run(lambda event: None, timeout_seconds=None) == Done()


async def test_an_overdue_thread_keeps_its_place_until_it_returns() -> None:
    """It cannot be stopped; a second run beside it would run the event twice at once."""
    with hanging() as (handle, gate, runs), capture_logs() as logs:
        runner = Runner(make_handler(handle, timeout_seconds=0.01, concurrency=1))
        first = asyncio.create_task(runner.run(make_seen(id="evt_1")))
        await wait_until(lambda: bool(logs), description="it is reported")
        assert not first.done()
        assert runner.in_threads == 1
        gate.set()
        outcome = await first
        runner.close()

    assert outcome == Done()
    assert runs == ["evt_1"]
    assert runner.in_threads == 0
    assert [(line["event"], line["event_id"]) for line in logs] == [("handler_overdue", "evt_1")]


async def test_an_overdue_thread_that_raises_at_last_has_failed() -> None:
    """Its error counts, and not that it was late."""
    with hanging() as (hang, gate, _), capture_logs() as logs:

        def handle(event: Event) -> None:
            hang(event)
            raise ValueError("late")

        runner = Runner(make_handler(handle, timeout_seconds=0.01))
        running = asyncio.create_task(runner.run(make_seen()))
        await wait_until(lambda: bool(logs), description="it is reported")
        gate.set()

        assert await running == Failed("ValueError", "ValueError: late")
        runner.close()


async def test_as_many_threads_as_the_handler_may_run_at_once() -> None:
    """A further run waits for one of them, and is not lost."""
    with hanging() as (handle, gate, runs):
        runner = Runner(make_handler(handle, concurrency=2))
        running = [asyncio.create_task(runner.run(make_seen(id=f"evt_{n}"))) for n in range(3)]
        await wait_until(lambda: len(runs) == 2, description="two run")
        await asyncio.sleep(0)
        assert len(runs) == 2
        gate.set()
        outcomes = await asyncio.gather(*running)
        runner.close()

    assert outcomes == [Done()] * 3
    assert sorted(runs) == ["evt_0", "evt_1", "evt_2"]


# --- the end of the worker


async def test_the_workers_own_cancellation_is_no_outcome() -> None:
    """The run is not counted as an attempt."""
    begun = asyncio.Event()

    async def handle(event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    runner = Runner(make_handler(handle))
    running = asyncio.create_task(runner.run(make_seen()))
    await begun.wait()
    runner.stopping = True
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_handler_that_cancels_its_own_task_has_failed() -> None:
    """The lane goes on, and can be cancelled later."""

    async def handle(event: Event) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    lane = asyncio.create_task(run(handle))
    outcome = await lane

    assert isinstance(outcome, Failed)
    assert outcome.kind == "CancelledError"
    assert outcome.retryable


async def test_a_coroutine_that_a_plain_wrapper_gives_is_run() -> None:
    """Else the event would be acknowledged though its handler never ran."""
    seen: list[str] = []

    async def handle(event: Event) -> None:
        seen.append(event.id)

    def wrapper(event: Event) -> Any:
        return handle(event)

    assert await run(wrapper) == Done()
    assert seen == ["evt_1"]


async def test_a_coroutine_that_swallows_its_cancellation_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It keeps its lane, so somebody must be told."""
    monkeypatch.setattr(handle_module, "OVERDUE_SECONDS", 0.0)
    gate = asyncio.Event()

    async def swallow(event: Event) -> None:
        while not gate.is_set():
            with suppress(asyncio.CancelledError):
                await gate.wait()

    with capture_logs() as logs:
        running = asyncio.create_task(run(swallow, timeout_seconds=0.01))
        await wait_until(
            lambda: any(line["event"] == "handler_overdue" for line in logs),
            description="it is reported",
        )
        gate.set()
        await running


async def test_a_thread_that_nobody_waits_for_any_more_is_still_counted() -> None:
    """Its entry must not be given to others while it runs."""
    with hanging() as (handle, gate, runs):
        runner = Runner(make_handler(handle))
        running = asyncio.create_task(runner.run(make_seen()))
        await wait_until(lambda: bool(runs), description="it runs")
        runner.stopping = True
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        assert runner.in_threads == 1
        gate.set()
        await wait_until(lambda: runner.in_threads == 0, description="it has returned")
        runner.close()


async def test_a_late_error_of_a_thread_that_was_left_is_not_reported_as_lost() -> None:
    """Warnings are errors in this suite, and asyncio would report it."""
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    with hanging() as (hang, gate, runs):

        def handle(event: Event) -> None:
            hang(event)
            raise ValueError

        runner = Runner(make_handler(handle))
        running = asyncio.create_task(runner.run(make_seen()))
        await wait_until(lambda: bool(runs), description="it runs")
        running.cancel()
        await asyncio.wait({running})
        gate.set()
        await wait_until(lambda: runner.in_threads == 0, description="it has returned")
        runner.close()

    assert reports == []
