"""One handler, run once with all that is around it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from consumers import Event, GiveUp, Retry, RetryLater, Worker
from consumers.testing import (
    HandlerEnded,
    Memory,
    NeedsStore,
    Run,
    make_event,
    run_batch,
    run_handler,
)


class Message(msgspec.Struct):
    """What the handlers take from a body."""

    text: str


def declared(function: Any, **options: Any) -> Worker:
    """Declare a handler of everything."""
    worker = Worker(group="crm")
    worker.on("unipile:*", **options)(function)
    return worker


async def ran(function: Any, event: Event | None = None, **options: Any) -> Run:
    """Declare a handler, and run it once."""
    return await run_handler(declared(function, **options), function, event or make_event())


async def fail(event: Event) -> None:
    """Fail with a message of its own."""
    raise ValueError("no luck")


async def test_a_handler_that_returns_is_done() -> None:
    """The event would be acknowledged."""

    async def handle(event: Event) -> None:
        assert event.json()["id"] == "evt_a"

    run = await ran(handle, make_event(id="evt_a"))

    run.assert_done()
    assert (run.done, run.failed, run.dead, run.error) == (True, False, False, "")


@pytest.mark.parametrize(("attempt", "delay"), [(1, 1.0), (4, 8.0)])
async def test_a_handler_that_raises_is_tried_again(attempt: int, delay: float) -> None:
    """The delay is the policy's longest where the test says nothing of chance."""
    run = await ran(fail, make_event(attempt=attempt))

    run.assert_retried(in_seconds=delay)
    assert (run.failed, run.dead, run.retry_in_seconds) == (True, False, delay)
    assert run.error == "ValueError: no luck"
    assert isinstance(run.exception, ValueError)


async def test_chance_decides_the_delay() -> None:
    """A test may say which."""
    run = await run_handler(declared(fail), fail, make_event(attempt=3), chance=0.75)

    run.assert_retried(in_seconds=1.0)


async def test_the_last_attempt_ends_in_the_dead_letters() -> None:
    """The attempt that the event says is the one that counts."""
    run = await ran(fail, make_event(attempt=8))

    run.assert_dead("attempts_spent")


async def test_giving_up_ends_there_at_once() -> None:
    """It is no failure that anything is tried again after."""

    async def handle(event: Event) -> None:
        raise GiveUp("never")

    run = await ran(handle)

    run.assert_dead("gave_up")
    assert (run.failed, run.retry_in_seconds) == (False, None)


async def test_later_is_when_the_handler_says() -> None:
    """It uses up no attempt, so also the last may ask for another time."""

    async def handle(event: Event) -> None:
        raise RetryLater(3600)

    run = await ran(handle, retry=Retry(attempts=1))

    run.assert_retried(in_seconds=3600)
    assert (run.postponed, run.failed) == (True, False)


async def test_an_event_that_proves_nothing_is_skipped() -> None:
    """As the worker would, unless the handler takes such events."""
    event = make_event(assurance="none")
    taken = await run_handler(declared(print, accept_unverified=True), print, event)

    (await ran(print, event)).assert_skipped()
    taken.assert_done()


async def test_a_payload_is_decoded() -> None:
    """One that does not fit is dead at once."""
    texts = []

    async def handle(event: Event, message: Message) -> None:
        texts.append(message.text)

    good = await ran(handle, make_event(json={"payload": {"text": "hi"}}), payload_at="/payload")
    bad = await ran(handle, make_event(json={"payload": {"text": 7}}), payload_at="/payload")

    good.assert_done()
    bad.assert_dead("invalid_payload")
    assert texts == ["hi"]


async def test_middleware_runs_around_it() -> None:
    """That of the worker and its own."""
    said = []
    worker = Worker(group="crm")

    async def inner(event: Event, call_next: Any) -> None:
        said.append("inner")
        await call_next(event)

    @worker.middleware
    async def outer(event: Event, call_next: Any) -> None:
        said.append("outer")
        await call_next(event)

    @worker.on("unipile:*", middleware=[inner])
    def handle(event: Event) -> None:
        said.append("handler")

    (await run_handler(worker, handle, make_event())).assert_done()

    assert said == ["outer", "inner", "handler"]


async def test_its_time_is_limited_and_takes_none() -> None:
    """A limit of an hour is tested at once."""

    async def handle(event: Event) -> None:
        await asyncio.sleep(7200)

    run = await ran(handle, timeout_seconds=3600.0)

    assert run.error == "TimeoutError: no end within 3600.0 s"
    assert run.ended_seconds == 3600


async def test_what_it_asks_for_is_opened_and_closed_and_nothing_else() -> None:
    """Also what that asks for; hooks do not run."""
    said: list[str] = []
    worker = Worker(group="crm")

    @worker.resource
    def url() -> str:
        said.append("url")
        return "db"

    @worker.resource
    async def database(url: str) -> AsyncIterator[str]:
        yield url
        said.append("closed")

    worker.resource(_refuse("other"))
    worker.on_startup(_refuse("hook"))

    @worker.on("unipile:b")
    async def use(event: Event, other: None) -> None: ...

    @worker.on("unipile:*")
    async def handle(event: Event, database: str) -> None:
        said.append(database)

    (await run_handler(worker, handle, make_event())).assert_done()

    assert said == ["url", "db", "closed"]


def _refuse(name: str) -> Any:
    def refuse() -> None:
        raise AssertionError(name)

    refuse.__name__ = name
    return refuse


async def test_a_stand_in_takes_the_place_of_a_resource_and_of_what_only_that_needs() -> None:
    """What is declared under the name would need a network."""
    worker = Worker(group="crm")

    @worker.resource
    def password() -> str:
        raise AssertionError

    @worker.resource
    def database(password: str) -> str:
        raise AssertionError

    @worker.on("unipile:*")
    async def handle(event: Event, database: list[str]) -> None:
        database.append(event.id)

    rows: list[str] = []
    event = make_event()
    (await run_handler(worker, handle, event, resources={"database": rows})).assert_done()

    assert rows == [event.id]


async def test_a_stand_in_for_nothing_is_a_mistake() -> None:
    """A name that was changed must not leave a test that tests nothing."""
    with pytest.raises(ValueError, match="no resource is called 'database'; there are: none"):
        await run_handler(declared(print), print, make_event(), resources={"database": 1})


async def test_a_handler_is_found_by_its_name() -> None:
    """Where a function has several patterns, the one that reads the event."""
    worker = declared(fail)
    worker.on("shop:*", retry=Retry(attempts=1))(fail)

    (await run_handler(worker, "fail", make_event())).assert_retried()
    (await run_handler(worker, fail, make_event(endpoint="shop"))).assert_dead()


@pytest.mark.parametrize(
    ("choice", "event", "words"),
    [
        ("fial", make_event(), "no handler is 'fial'; there are: fail"),
        (fail, make_event("x", endpoint="shop"), r"fail reads unipile:\*, and not shop:x"),
    ],
)
async def test_a_test_that_would_run_nothing_is_told(choice: Any, event: Event, words: str) -> None:
    """A handler that is not there, or would never be given the event."""
    with pytest.raises(ValueError, match=words):
        await run_handler(declared(fail), choice, event)


async def test_a_batch_is_given_at_once_and_judged_one_by_one() -> None:
    """Each has a run of its own, with the exception that was its own."""
    worker = Worker(group="crm")
    sizes = []

    @worker.on_batch("unipile:*", size=10, wait_seconds=3600)
    async def handle(events: list[Event]) -> list[Exception | None]:
        sizes.append(len(events))
        return [None, ValueError("second"), GiveUp("third")]

    first, second, third = await run_batch(worker, handle, [make_event() for _ in range(3)])

    assert sizes == [3]
    first.assert_done()
    second.assert_retried()
    third.assert_dead("gave_up")
    assert [str(run.exception) for run in (second, third)] == ["second", "third"]


async def test_a_batch_that_raises_has_failed_for_each() -> None:
    """With the same exception."""
    worker = Worker(group="crm")

    @worker.on_batch("unipile:*")
    def handle(events: list[Event]) -> None:
        raise ValueError("all")

    runs = await run_batch(worker, handle, [make_event(), make_event()])

    assert [str(run.exception) for run in runs] == ["all", "all"]


async def test_a_handler_that_ends_the_process_ends_the_run() -> None:
    """No outcome could be told."""

    async def handle(event: Event) -> None:
        raise SystemExit

    with pytest.raises(HandlerEnded):
        await ran(handle)


async def test_a_handler_that_never_ends_is_told() -> None:
    """Without a time limit nothing else ends it."""

    async def handle(event: Event) -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match=r"has not ended\n\n[^$]*moved time were over"):
        await ran(handle, timeout_seconds=None)


async def test_steps_are_remembered_where_the_test_says_so() -> None:
    """A second run finds what the first has done."""
    charges: list[int] = []

    async def handle(event: Event) -> None:
        charges.append(await event.once("charge").run(len, charges))
        raise ValueError

    worker, event, memory = declared(handle), make_event(), Memory()
    await run_handler(worker, handle, event, memory=memory)
    await run_handler(worker, handle, event, memory=memory)
    await run_handler(worker, handle, event)

    assert charges == [0, 0, 2]
    assert memory.done(event.identity) == {"charge"}


async def test_a_commit_needs_a_stand_in() -> None:
    """Lua runs in no test without a store; also a handler that catches everything is told of."""

    async def handle(event: Event) -> None:
        with suppress(Exception):
            await event.commit("return 1")

    with pytest.raises(NeedsStore, match="on_commit"):
        await ran(handle)


async def test_a_stand_in_sees_what_is_committed() -> None:
    """Keys are checked as they would be, and the reply is its."""
    calls = []

    def commit(*call: Any) -> str:
        calls.append(call)
        return "reply"

    async def handle(event: Event) -> None:
        assert await event.commit("return 1", [event.key("total")], [5]) == "reply"
        raise ValueError("afterwards")

    run = await run_handler(declared(handle), handle, make_event(), on_commit=commit)

    assert calls == [("return 1", ["relay:{unipile}@effects:crm:total"], [5])]
    run.assert_done()
    assert run.note == "after its commit, so it is settled"


async def test_a_commit_that_could_touch_another_slot_is_refused() -> None:
    """A stand-in must not let through what a server would not."""

    async def handle(event: Event) -> None:
        await event.commit("return 1", ["elsewhere"])

    run = await run_handler(declared(handle), handle, make_event(), on_commit=print)

    assert "may lie in another slot" in run.error


async def test_a_commit_of_what_cannot_be_sent_is_refused() -> None:
    """As by a worker."""

    async def handle(event: Event) -> None:
        nothing: Any = None
        await event.commit("return 1", args=[nothing])

    run = await run_handler(declared(handle), handle, make_event(), on_commit=print)

    assert run.error.startswith("TypeError: an argument of event.commit")


async def test_a_failed_assertion_says_what_happened() -> None:
    """With the handler's own exception as its cause."""
    run = await ran(fail, make_event(id="evt_a"))
    with pytest.raises(
        AssertionError,
        match=r"fail on message\.new 'evt_a', attempt 1: expected done, got failed: "
        "ValueError: no luck; again in 1 s",
    ) as told:
        run.assert_done()

    assert told.value.__cause__ is run.exception


@pytest.mark.parametrize("name", ["assert_skipped", "assert_dead", "assert_retried"])
async def test_each_assertion_can_fail(name: str) -> None:
    """Nothing but being done is true of an event that is done."""
    run = await run_handler(declared(print), print, make_event())
    with pytest.raises(AssertionError, match="got done"):
        getattr(run, name)()


async def test_the_wrong_reason_and_the_wrong_delay_fail() -> None:
    """They are compared, and not only whether there is one."""
    dead, late = await ran(fail, make_event(attempt=8)), await ran(fail)
    with pytest.raises(AssertionError, match="expected dead: poison"):
        dead.assert_dead("poison")
    with pytest.raises(AssertionError, match="expected tried again in 3 s"):
        late.assert_retried(in_seconds=3)
