"""How one run of a handler ends, by what the handler is and what it raises."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from consumers import CallNext, GiveUp, Retry
from consumers.event import Event
from consumers.handle import MAX_ERROR_CHARACTERS, Runner
from consumers.outcome import Done, Failed, GaveUp, Outcome, Skipped
from tests.consumers.handling import run
from tests.consumers.making import make_handler, make_seen, name_of


class Unspeakable(Exception):
    """An exception whose message cannot be read."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class OwnReason(GiveUp):
    """Gives a reason that is none of the contract's."""

    reason: Any = None


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


async def test_a_coroutine_that_a_plain_wrapper_gives_is_run() -> None:
    """Else the event would be acknowledged though its handler never ran."""
    seen: list[str] = []

    async def handle(event: Event) -> None:
        seen.append(event.id)

    def wrapper(event: Event) -> Any:
        return handle(event)

    assert await run(wrapper) == Done()
    assert seen == ["evt_1"]


async def pass_on(event: Event, call_next: CallNext) -> None:
    """Do nothing of its own, and give nothing back."""
    await call_next(event)


@pytest.mark.parametrize("middleware", [(), (pass_on,)], ids=["alone", "within middleware"])
async def test_a_coroutine_that_an_asynchronous_wrapper_gives_is_run(
    middleware: tuple[Any, ...],
) -> None:
    """It is easily written: a decorator that leaves out one await."""
    seen: list[str] = []

    async def handle(event: Event) -> None:
        seen.append(event.id)

    async def wrapper(event: Event) -> Any:
        return handle(event)

    assert await run(wrapper, middleware=middleware) == Done()
    assert seen == ["evt_1"]


async def test_a_coroutine_that_a_wrapper_gives_has_the_handlers_time() -> None:
    """It is part of the run."""

    async def handle(event: Event) -> None:
        await asyncio.Event().wait()

    async def wrapper(event: Event) -> Any:
        return handle(event)

    assert name_of(await run(wrapper, timeout_seconds=0.01)) == "Failed"


def generate(event: Event) -> Iterator[None]:
    """Do nothing until somebody iterates."""
    yield


async def generate_later(event: Event) -> AsyncIterator[None]:
    """The same, asynchronously."""
    yield


@pytest.mark.parametrize("middleware", [(), (pass_on,)], ids=["alone", "within middleware"])
@pytest.mark.parametrize("function", [generate, generate_later])
@pytest.mark.parametrize("kind", [0, 1], ids=["async", "plain"])
async def test_a_generator_that_a_wrapper_gives_is_a_failure(
    kind: int, function: Any, middleware: tuple[Any, ...]
) -> None:
    """At start it cannot be told; its event must not be acknowledged."""

    async def asynchronous(event: Event) -> Any:
        return function(event)

    def plain(event: Event) -> Any:
        return function(event)

    outcome = await run((asynchronous, plain)[kind], middleware=middleware)

    assert isinstance(outcome, Failed)
    assert "gave a generator" in outcome.error


# --- what a handler raises


@pytest.mark.parametrize("kind", [0, 1], ids=["async", "plain"])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("no"), Failed("ValueError", "ValueError: no")),
        (GiveUp("useless"), GaveUp("GiveUp: useless")),
        (OwnReason("useless"), GaveUp("OwnReason: useless")),
        (TimeoutError("theirs"), Failed("TimeoutError", "TimeoutError: theirs")),
        (
            asyncio.CancelledError(),
            Failed("CancelledError", "CancelledError: the handler was cancelled from inside"),
        ),
        (Unspeakable(), Failed("Unspeakable", "Unspeakable: (its message cannot be read)")),
    ],
    ids=["error", "give up", "reason", "time-out", "cancelled from inside", "broken __str__"],
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
