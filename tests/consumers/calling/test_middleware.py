"""What runs around a handler."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from consumers import CallNext, Event, GiveUp, Worker
from consumers.handle import Runner
from consumers.outcome import Done, Failed, GaveUp, Outcome
from tests.consumers.handling import hanging, run
from tests.consumers.making import do_nothing, make_handler, make_seen
from tests.waiting import wait_until


async def through(event: Event, call_next: CallNext) -> None:
    """Do nothing but go on."""
    await call_next(event)


def noting(notes: list[str], name: str) -> Any:
    """Make a middleware that notes when it is passed."""

    async def note(event: Event, call_next: CallNext) -> Any:
        notes.append(f"{name} in")
        result = await call_next(event)
        notes.append(f"{name} out")
        return result

    return note


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_the_first_declared_is_the_outermost(kind: str) -> None:
    """The worker's are around the handler's own, whichever was declared first."""
    notes: list[str] = []
    worker = Worker(group="crm")

    def plain(event: Event) -> str:
        notes.append("handler")
        return "result"

    async def asynchronous(event: Event) -> str:
        return plain(event)

    worker.on("unipile:*", middleware=[noting(notes, "own")])(
        asynchronous if kind == "async" else plain
    )
    worker.middleware(noting(notes, "first"))
    worker.middleware(noting(notes, "second"))
    (handler,) = worker.wrapped_handlers()
    runner = Runner(handler)
    outcome = await runner.run(make_seen())
    runner.close()

    assert outcome == Done()
    assert notes == [
        *("first in", "second in", "own in", "handler"),
        *("own out", "second out", "first out"),
    ]


async def test_a_middleware_is_given_resources_and_the_handlers_result() -> None:
    """By name, as a handler is."""
    seen: list[Any] = []

    async def around(event: Event, call_next: CallNext, db: str) -> None:
        seen.append((db, await call_next(event)))

    async def handle(event: Event, cache: str) -> str:
        return cache

    runner = Runner(make_handler(handle, middleware=(around,)))
    runner.provide({"db": "DB", "cache": "CACHE"})
    await runner.run(make_seen())

    assert seen == [("DB", "CACHE")]


async def raises(event: Event, call_next: CallNext) -> None:
    """Fail before the handler."""
    raise ValueError("no")


async def gives_up(event: Event, call_next: CallNext) -> None:
    """Give up after the handler."""
    await call_next(event)
    raise GiveUp("no")


async def swallows(event: Event, call_next: CallNext) -> None:
    """Take an error for good."""
    with suppress(KeyError):
        await call_next(event)


async def forgets_await(event: Event, call_next: CallNext) -> None:
    """Make the call and never run it."""
    call_next(event)


async def returns_call(event: Event, call_next: CallNext) -> Any:
    """Make the call and hand it on."""
    return call_next(event)


async def leaves_out(event: Event, call_next: CallNext) -> None:
    """Decide that there is nothing to do."""


@pytest.mark.parametrize(
    ("middleware", "outcome"),
    [
        (through, Failed("KeyError", "KeyError: 'theirs'")),
        (raises, Failed("ValueError", "ValueError: no")),
        (gives_up, Failed("KeyError", "KeyError: 'theirs'")),
        (swallows, Done()),
        (leaves_out, Done()),
    ],
)
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_what_comes_out_of_the_outermost_is_the_outcome(
    kind: str, middleware: Any, outcome: Outcome
) -> None:
    """As if the handler itself had raised or returned."""

    def plain(event: Event) -> None:
        raise KeyError("theirs")

    async def asynchronous(event: Event) -> None:
        plain(event)

    function = plain if kind == "plain" else asynchronous

    assert await run(function, middleware=(middleware,)) == outcome


async def test_giving_up_in_a_middleware_gives_the_event_up() -> None:
    """Also after the handler has returned."""
    assert await run(do_nothing, middleware=(gives_up,)) == GaveUp("GiveUp: no")


@pytest.mark.parametrize("middleware", [forgets_await, returns_call])
@pytest.mark.parametrize("inner", [(), (through,)])
async def test_a_forgotten_await_is_a_failure(middleware: Any, inner: tuple[Any, ...]) -> None:
    """Else the event would be done, and its handler never run."""
    ran: list[str] = []

    async def handle(event: Event) -> None:
        ran.append(event.id)

    outcome = await run(handle, middleware=(middleware, *inner))

    assert isinstance(outcome, Failed)
    assert f"middleware {middleware.__name__} calls call_next(event) without await" in outcome.error
    assert ran == []


async def test_the_time_of_a_coroutine_is_for_all_that_is_around_it() -> None:
    """A middleware that hangs is cancelled with it."""

    async def hang(event: Event, call_next: CallNext) -> None:
        await asyncio.Event().wait()

    outcome = await run(do_nothing, middleware=(hang,), timeout_seconds=0.01)

    assert outcome == Failed("TimeoutError", "TimeoutError: no end within 0.01 s")


async def test_a_middlewares_own_limit_does_not_run_a_thread_beside_its_successor() -> None:
    """The run ends when the thread has returned, and has failed."""

    async def limit(event: Event, call_next: CallNext) -> None:
        async with asyncio.timeout(0.01):
            await call_next(event)

    with hanging() as (handle, gate, runs):
        runner = Runner(make_handler(handle, middleware=(limit,)))
        running = asyncio.create_task(runner.run(make_seen()))
        await wait_until(lambda: bool(runs), description="it runs")
        await asyncio.wait({running}, timeout=0.05)
        while_it_runs = running.done()
        gate.set()
        outcome = await running
        runner.close()

    assert not while_it_runs
    assert isinstance(outcome, Failed)
    assert outcome.kind == "TimeoutError"
