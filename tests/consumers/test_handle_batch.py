"""How a run on several events ends for each of them."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import CallNext, GiveUp, Retry
from consumers.event import Event
from consumers.handle_batch import BatchRunner
from consumers.outcome import Done, Failed, GaveUp, Outcome, Skipped
from consumers.worker import Batch
from tests.consumers.making import make_handler, make_seen
from tests.waiting import wait_until

IDS = ("evt_1", "evt_2", "evt_3")


async def run(function: Any, events: Sequence[Event] = (), **options: Any) -> list[Outcome]:
    """Run a batch handler once, by default on three events."""
    runner = BatchRunner(make_handler(function, batch=Batch(100, 0), **options))
    try:
        return await runner.run_batch(events or [make_seen(id=event_id) for event_id in IDS])
    finally:
        runner.close()


def returning(value: object) -> Any:
    """Make a batch handler that returns a value."""

    async def handle(events: list[Event]) -> object:
        return value

    return handle


async def test_returning_nothing_says_that_all_are_done() -> None:
    """It is given all events in one list."""
    seen: list[list[str]] = []

    async def handle(events: list[Event]) -> None:
        seen.append([event.id for event in events])

    assert await run(handle) == [Done()] * 3
    assert seen == [list(IDS)]


async def test_a_plain_function_runs_in_a_thread() -> None:
    """What it returns counts as well."""
    threads: list[threading.Thread] = []

    def handle(events: list[Event]) -> list[Exception | None]:
        threads.append(threading.current_thread())
        return [None, ValueError("second"), None]

    assert await run(handle) == [Done(), Failed("ValueError", "ValueError: second"), Done()]
    assert threads[0] is not threading.main_thread()


async def test_what_a_plain_wrapper_gives_is_run_and_counts() -> None:
    """Else a failure in it would be taken for success."""

    def handle(events: list[Event]) -> Any:
        return returning([None, None, ValueError("third")])(events)

    assert await run(handle) == [Done(), Done(), Failed("ValueError", "ValueError: third")]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("no"), Failed("ValueError", "ValueError: no")),
        (GiveUp("useless"), GaveUp("GiveUp: useless")),
    ],
)
async def test_raising_says_the_same_of_all(error: Exception, outcome: Outcome) -> None:
    """Nothing is known of any of them alone."""

    async def handle(events: list[Event]) -> None:
        raise error

    assert await run(handle) == [outcome] * 3


async def test_a_list_says_it_of_each() -> None:
    """By none or an exception, which means what it means when it is raised."""
    outcomes = await run(
        returning([ConnectionResetError("net"), GiveUp("bad"), TypeError("bug")]),
        retry=Retry(on=(ConnectionError,)),
    )

    assert outcomes == [
        Failed("ConnectionResetError", "ConnectionResetError: net", retryable=True),
        GaveUp("GiveUp: bad"),
        Failed("TypeError", "TypeError: bug", retryable=False),
    ]


async def test_what_gather_gives_can_be_returned_as_it_is() -> None:
    """Cancelled ones among it have failed."""

    async def store(event: Event) -> None:
        if event.id == "evt_2":
            raise ValueError("second")
        if event.id == "evt_3":
            raise asyncio.CancelledError

    async def handle(events: list[Event]) -> list[BaseException | None]:
        return await asyncio.gather(*map(store, events), return_exceptions=True)

    outcomes = await run(handle)

    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Failed]


@pytest.mark.parametrize(
    "returned",
    [
        True,
        [],
        [None],
        [None] * 4,
        [None, None, "inserted"],
        [None, None, ValueError],
        [None, None, SystemExit()],
        {"evt_1": ValueError("no")},
        "abc",
    ],
    ids=str,
)
async def test_anything_else_that_is_returned_acknowledges_nothing(returned: object) -> None:
    """All have failed, and the error says what would be right."""
    outcomes = await run(returning(returned))

    assert len(outcomes) == 3
    for outcome in outcomes:
        assert isinstance(outcome, Failed)
        assert "for each of the 3 events" in outcome.error


async def test_a_handler_may_use_up_its_list() -> None:
    """How many there were is known all the same."""

    async def handle(events: list[Event]) -> list[None]:
        return [events.clear()] * 3  # type: ignore[func-returns-value]

    assert await run(handle) == [Done()] * 3


async def test_events_that_prove_nothing_are_kept_from_the_handler() -> None:
    """The others' outcomes stay theirs."""
    events = [
        make_seen(id="evt_1", assurance="none"),
        make_seen(id="evt_2"),
        make_seen(id="evt_3", assurance="none"),
        make_seen(id="evt_4"),
    ]
    seen: list[str] = []

    async def handle(events: list[Event]) -> list[Exception | None]:
        seen.extend(event.id for event in events)
        return [None, ValueError("last")]

    skipped = Skipped("unverified")

    assert await run(handle, events) == [
        skipped,
        Done(),
        skipped,
        Failed("ValueError", "ValueError: last"),
    ]
    assert seen == ["evt_2", "evt_4"]
    assert await run(handle, events[:1]) == [skipped]
    assert seen == ["evt_2", "evt_4"]


async def test_resources_are_handed_in_and_no_middleware_is_around() -> None:
    """A middleware is made for one event."""
    seen: list[object] = []

    async def insert(events: list[Event], table: str) -> None:
        seen.append(table)

    async def around(event: Event, call_next: CallNext) -> None:
        seen.append("around")
        await call_next(event)

    handler = make_handler(insert, batch=Batch(100, 0), middleware=(around,))
    runner = BatchRunner(handler)
    runner.provide({"table": "messages"})

    assert await runner.run_batch([make_seen()]) == [Done()]
    assert seen == ["messages"]


async def test_the_time_is_for_all_together() -> None:
    """When it is over, all have failed."""

    async def handle(events: list[Event]) -> None:
        await asyncio.Event().wait()

    outcomes = await run(handle, timeout_seconds=0.01)

    assert outcomes == [Failed("TimeoutError", "TimeoutError: no end within 0.01 s")] * 3


async def test_an_overdue_batch_is_reported_by_its_first_event() -> None:
    """It keeps its place like any other."""
    gate = threading.Event()

    def handle(events: list[Event]) -> None:
        gate.wait()

    with capture_logs() as logs:
        running = asyncio.create_task(run(handle, timeout_seconds=0.01))
        try:
            await wait_until(lambda: bool(logs), description="it is reported")
        finally:
            gate.set()
        outcomes = await running

    assert [(line["event"], line["event_id"]) for line in logs] == [("handler_overdue", "evt_1")]
    assert outcomes == [Done()] * 3
