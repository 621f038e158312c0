"""A whole worker over some events: what the store does between runs, and what a test says of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from consumers import Event, GiveUp, Rate, Retry, RetryLater, Worker
from consumers.testing import (
    Arrival,
    Crash,
    Memory,
    NeedsStore,
    Result,
    StartFailed,
    make_event,
    run,
    run_worker,
)
from relay.contract.errors import ConfigurationFault


def events_of(*ids: str, **fields: Any) -> list[Event]:
    """Make events with these ids."""
    return [make_event(id=each, **fields) for each in ids]


async def played(function: Any, events: Any, options: Any = None, **declared: Any) -> Result:
    """Declare a handler of everything, and run its worker."""
    worker = Worker(group="crm")
    worker.on("*:*", **declared)(function)
    return await run_worker(worker, events, **(options or {}))


async def sleep(event: Event) -> None:
    """Take a second."""
    await asyncio.sleep(1)


async def fail(event: Event) -> None:
    """Fail whatever comes."""
    raise ValueError("no luck")


# --- time


async def test_retries_come_when_they_are_due() -> None:
    """The delays double, and nobody waits for them."""
    result = await played(fail, events_of("a"))

    assert [run.started_seconds for run in result.runs] == [0, 1, 3, 7, 15, 31, 63, 127]
    assert result.assert_dead("a", "attempts_spent").attempts == 8
    assert result.elapsed_seconds == 127


async def test_a_timer_that_a_handler_left_behind_does_not_end_it() -> None:
    """As in a worker: what comes later is handled all the same."""

    async def handle(event: Event) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(5, task.cancel)

    arrivals = [Arrival(make_event(id=each), number * 60.0) for number, each in enumerate("ab")]
    result = await played(handle, arrivals, concurrency=1)

    assert [run.event.id for run in result.runs] == ["a", "b"]
    result.assert_all_handled()


async def test_what_is_due_together_comes_back_by_its_age() -> None:
    """As the store gives it, whatever failed first."""

    async def handle(event: Event) -> None:
        if event.attempt == 1:
            await asyncio.sleep(3 - int(event.id))
            raise RetryLater(int(event.id))

    result = await played(handle, events_of("1", "2"), concurrency=2)

    assert [run.event.id for run in result.runs] == ["2", "1", "1", "2"]


async def test_only_so_many_run_at_once() -> None:
    """Six that take a second each, two at a time, take three."""
    result = await played(sleep, events_of(*"abcdef"), concurrency=2)

    assert result.elapsed_seconds == 3


async def test_a_rate_spreads_them_over_time() -> None:
    """After the first two, one every half second."""
    result = await played(print, events_of(*"abcdef"), rate_limit=Rate(2, per_seconds=1))

    assert [run.started_seconds for run in result.runs] == [0, 0, 0.5, 1, 1.5, 2]


async def test_a_batch_waits_for_others_and_no_longer() -> None:
    """What comes in time is in it; what comes later is in the next."""
    worker, sizes = Worker(group="crm"), []

    @worker.on_batch("unipile:*", size=10, wait_seconds=5)
    async def handle(events: list[Event]) -> None:
        sizes.append([event.id for event in events])

    a, b, c = events_of(*"abc")
    result = await run_worker(worker, [a, Arrival(b, 4), Arrival(c, 6)])

    assert sizes == [["a", "b"], ["c"]]
    assert result.elapsed_seconds == 11


async def test_an_event_that_got_too_old_is_set_aside() -> None:
    """Its age is that of the moved time of day."""

    async def later(event: Event) -> None:
        raise RetryLater(1000)

    result = await played(later, events_of("a"), retry=Retry(max_age_seconds=3500))

    assert [run.started_seconds for run in result.runs] == [0, 1000, 2000, 3000]
    result.assert_dead("a", "too_old")


async def test_a_backlog_is_as_old_as_it_says() -> None:
    """The run begins when the last event was received, or when the test says."""
    old, new = make_event(id="old", received_at=1000), make_event(id="new", received_at=9000)
    policy = Retry(attempts=2, max_age_seconds=3600)
    result = await played(fail, [old, new], retry=policy)
    late = await played(fail, [new], {"now": 99_000}, retry=policy)

    assert (result.attempts_of("old"), result.attempts_of("new")) == (1, 2)
    assert late.assert_dead(new, "too_old").attempts == 1


# --- who is given what


async def test_the_most_specific_pattern_takes_an_event() -> None:
    """What none matches is told apart."""
    worker = Worker(group="crm")

    @worker.on("unipile:*")
    async def general(event: Event) -> None: ...

    @worker.on("unipile:email.*")
    async def special(event: Event) -> None: ...

    message, mail, other = make_event(), make_event("email.new"), make_event(endpoint="shop")
    result = await run_worker(worker, [message, mail, other])

    assert [run.handler.rpartition(".")[2] for run in result.runs_of(message)] == ["general"]
    assert [run.handler.rpartition(".")[2] for run in result.runs_of(mail)] == ["special"]
    assert result.unrouted == [other]
    with pytest.raises(AssertionError, match=r"all handled, but for message\.new"):
        result.assert_all_handled()


async def test_what_is_behind_a_failed_event_waits_and_others_do_not() -> None:
    """Order is kept within an account, through every retry."""

    async def handle(event: Event) -> None:
        if event.id == "a1" and event.attempt < 3:
            raise ValueError

    events = [make_event(id=each, account=each[0]) for each in ("a1", "a2", "b1", "a3")]
    result = await played(handle, events, order_by="account")

    result.assert_order("a1", "a2", "a3")
    assert result.order == ["b1", "a1", "a2", "a3"]
    assert result.runs_of("a2")[0].started_seconds == 3


async def test_what_comes_later_waits_behind_the_failed_event_too() -> None:
    """Also where nothing was behind it when it failed."""

    async def handle(event: Event) -> None:
        if event.id == "a" and event.attempt == 1:
            raise RetryLater(60)

    first, second = events_of("a", "b", account="x")
    result = await played(handle, [first, Arrival(second, 30)], order_by="account")

    assert result.order == ["a", "b"]
    assert result.elapsed_seconds == 60


# --- what goes wrong with processes


async def test_a_process_that_dies_before_the_end_is_stored_has_it_run_again() -> None:
    """As the same attempt, once the death is known: what an idempotent handler must stand."""
    result = await played(print, events_of("a"), {"crash_before_ack": 1})

    assert [(run.attempt, run.crashed, run.done) for run in result.runs] == [
        (1, True, False),
        (1, False, True),
    ]
    assert result.elapsed_seconds == 15


async def test_a_process_dies_for_one_event_only() -> None:
    """The test may say for which, and how often."""
    result = await played(print, events_of("a", "b"), {"crash_before_ack": {"b": 2}})

    assert (result.attempts_of("a"), result.attempts_of("b")) == (1, 3)


async def test_an_event_that_kills_every_process_is_poison() -> None:
    """Two runs are free, then there are three strikes."""

    async def kill(event: Event) -> None:
        raise Crash

    result = await played(kill, events_of("a"))

    assert [run.crashed for run in result.runs] == [True] * 5 + [False]
    assert result.assert_dead("a", "poison").attempts == 0


async def test_a_crash_is_one_wherever_it_happens() -> None:
    """In a plain function, in a task group, before everything that catches exceptions."""

    def plain(event: Event) -> None:
        raise Crash

    async def grouped(event: Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_crash())

    async def caught(event: Event) -> None:
        with suppress(Exception):
            await _crash()

    for function in (plain, grouped, caught):
        assert (await played(function, events_of("a"))).runs[0].crashed


async def _crash() -> None:
    raise Crash


async def test_order_is_kept_through_a_crash() -> None:
    """What is behind waits for the takeover."""
    events = events_of("a", "b", account="x")
    result = await played(print, events, {"crash_before_ack": {"a": 1}}, order_by="account")

    assert result.order == ["a", "b"]
    assert result.runs_of("b")[0].started_seconds == 15


async def test_a_batch_dies_as_one() -> None:
    """All of its events run again."""
    worker, calls = Worker(group="crm"), []

    @worker.on_batch("unipile:*", size=2)
    async def handle(events: list[Event]) -> None:
        calls.append(len(events))
        if len(calls) == 1:
            raise Crash

    result = await run_worker(worker, events_of("a", "b"))

    result.assert_all_handled()
    assert calls == [2, 2]


async def test_a_crash_after_a_commit_runs_nothing_again() -> None:
    """The effect and the end of the event are one."""

    async def handle(event: Event) -> None:
        await event.commit("return 1")
        raise Crash

    result = await played(handle, events_of("a"), {"on_commit": lambda *_: 1})

    result.assert_handled("a", attempts=1)
    assert result.runs[0].note == "the process died after its commit, so it is settled"


async def test_a_step_that_was_broken_off_by_a_crash_has_an_unknown_outcome() -> None:
    """It happened, or it did not: the handler says what then."""
    sent: list[str] = []

    async def handle(event: Event) -> None:
        async with event.once("mail", if_unknown="raise") as step:
            if step.needed:
                sent.append(event.id)

    result = await played(handle, events_of("a"), {"crash_in_steps": ["mail"]})

    result.assert_dead("a", "outcome_unknown")
    assert sent == ["a"]


async def test_a_process_dies_in_a_step_once() -> None:
    """The next run comes through, and has the step done again."""
    sent: list[str] = []

    async def handle(event: Event) -> None:
        await event.once("mail").run(sent.append, event.id)

    result = await played(handle, events_of("a"), {"crash_in_steps": ["mail"]})

    result.assert_handled("a", attempts=2)
    assert sent == ["a", "a"]


async def test_a_step_that_is_done_is_not_done_again() -> None:
    """However often its event runs: after a crash, and when it is given again."""
    charged: list[str] = []

    async def handle(event: Event) -> None:
        async with event.once("charge") as step:
            if step.needed:
                charged.append(event.id)

    options = {"crash_before_ack": 1, "redeliver": True}
    result = await played(handle, events_of("a"), options)

    assert (charged, len(result.runs)) == (["a"], 4)
    assert result.steps_done(result.given[0]) == {"charge"}


async def test_a_step_is_forgotten_after_its_time() -> None:
    """As it would be by the store."""
    charged: list[int] = []

    async def handle(event: Event) -> None:
        async with event.once("charge", keep_seconds=60) as step:
            if step.needed:
                charged.append(event.attempt)
        if event.attempt < 3:
            raise RetryLater(45 if event.attempt == 1 else 61)

    await played(handle, events_of("a"))

    assert charged == [1, 3]


async def test_an_event_is_given_again_where_the_test_wants_it() -> None:
    """Once more each, after it was done, and behind what came meanwhile."""
    events = events_of("a", "b", account="x")
    result = await played(print, events, {"redeliver": True}, order_by="account")

    assert result.order == ["a", "b", "a", "b"]
    assert [event.id for event in result.handled] == ["a", "b"]


async def test_a_second_run_goes_on_from_the_first() -> None:
    """As after a redrive."""
    charged: list[str] = []

    async def handle(event: Event) -> None:
        await event.once("charge").run(charged.append, event.id)
        if len(memories) == 1:
            raise GiveUp

    event, memories = make_event(), [Memory()]
    dead = await played(handle, [event], {"memory": memories[0]})
    memories.append(dead.memory)
    redriven = await played(handle, [event], {"memory": dead.memory})

    dead.assert_dead(event)
    redriven.assert_handled(event)
    assert charged == [event.id]


# --- what is around it


async def test_resources_and_hooks_live_as_in_a_process() -> None:
    """Opened before the first handler, closed after the last."""
    said: list[str] = []
    worker = Worker(group="crm")

    @worker.resource
    async def database() -> AsyncIterator[str]:
        said.append("open")
        yield "db"
        said.append("close")

    worker.on_startup(lambda: said.append("start"))
    worker.on_shutdown(lambda: said.append("stop"))

    @worker.on("unipile:*")
    async def handle(event: Event, database: str) -> None:
        said.append(database)

    await run_worker(worker, events_of("a"))

    assert said == ["open", "start", "db", "stop", "close"]


async def test_a_resource_that_cannot_be_opened_is_told() -> None:
    """No handler runs then."""
    worker = Worker(group="crm")

    @worker.resource
    def database() -> str:
        raise OSError("no such host")

    @worker.on("unipile:*")
    async def handle(event: Event, database: str) -> None: ...

    with pytest.raises(StartFailed, match="resource 'database' failed at start: OSError"):
        await run_worker(worker, events_of("a"))


async def test_what_only_a_replaced_resource_needs_is_not_opened() -> None:
    """What others ask for is."""
    opened: list[str] = []
    worker = Worker(group="crm")

    @worker.resource
    def password() -> str:
        raise AssertionError

    @worker.resource
    def region() -> str:
        opened.append("region")
        return "eu"

    @worker.resource
    def database(password: str, region: str) -> str:
        raise AssertionError

    @worker.on_startup
    def start(region: str) -> None:
        opened.append(region)

    @worker.on("unipile:*")
    async def handle(event: Event, database: str) -> None:
        opened.append(database)

    await run_worker(worker, events_of("a"), resources={"database": "db"})

    assert opened == ["region", "eu", "db"]


async def test_a_faulty_declaration_is_told_as_by_a_worker() -> None:
    """Before anything runs."""
    with pytest.raises(ConfigurationFault, match="no handler"):
        await run_worker(Worker(group="crm"), events_of("a"))


async def test_a_handler_with_a_process_of_its_own_runs_here() -> None:
    """The result says so."""
    worker = Worker(group="crm")
    worker.on("unipile:*", isolate="process")(fail)
    result = await run_worker(worker, events_of("a"))

    assert result.notes == ["fail ran in this process and not in one of its own (isolate)"]
    assert result.assert_dead("a").error == "ValueError: no luck"


async def test_a_commit_without_a_stand_in_ends_the_run() -> None:
    """Else it would only look like a handler that fails."""

    async def handle(event: Event) -> None:
        await event.commit("return 1")

    with pytest.raises(NeedsStore, match="say what the script does"):
        await played(handle, events_of("a"))


def test_a_plain_test_can_run_it_too() -> None:
    """In an event loop of its own."""
    run(played(print, events_of("a"))).assert_all_handled()


async def test_no_events_are_no_work() -> None:
    """It ends at once."""
    assert (await played(print, [])).runs == []


# --- what does not end


async def test_what_would_go_on_for_ever_ends_after_so_many_runs() -> None:
    """An event that is always asked for another time has no end of its own."""

    async def again(event: Event) -> None:
        raise RetryLater(0)

    result = await played(again, events_of("a"), {"most_runs": 20})

    assert (len(result.runs), result.stopped) == (20, "there were 20 runs")
    assert [event.id for event in result.waiting] == ["a"]
    with pytest.raises(AssertionError, match=r"not at its end: message\.new 'a'"):
        result.assert_all_handled()


async def test_a_run_ends_when_its_time_is_over() -> None:
    """What runs then has not come to its end, and what arrives later does not come."""

    async def wait(event: Event) -> None:
        await asyncio.Event().wait()

    first, second = events_of("a", "b")
    events = [first, Arrival(second, 120)]
    result = await played(wait, events, {"within_seconds": 60}, timeout_seconds=None)

    assert (result.runs, result.stopped) == ([], "60 s of moved time were over")
    assert result.waiting == [first]


# --- assertions


async def test_assertions_hold_and_fail() -> None:
    """Each says what came instead, with every run."""

    async def handle(event: Event) -> None:
        if event.id == "dead":
            raise GiveUp("never")

    result = await played(
        handle, [*events_of("good", "dead"), make_event(assurance="none", id="x")]
    )
    result.assert_handled("good", attempts=1)
    result.assert_skipped("x")
    result.assert_order("good")
    failing = [
        lambda: result.assert_handled("dead"),
        lambda: result.assert_handled("good", attempts=2),
        lambda: result.assert_skipped("good"),
        lambda: result.assert_dead("good"),
        lambda: result.assert_dead("dead", "poison"),
        lambda: result.assert_order("dead", "good"),
        result.assert_all_handled,
        result.assert_no_dead_letters,
    ]
    told = []
    for assertion in failing:
        with pytest.raises(AssertionError) as error:
            assertion()
        told.append(str(error.value))

    assert all("gaveup: GiveUp: never; dead: gave_up" in text for text in told)
    assert [text.partition("\n")[0] for text in told] == [
        "'dead' was not handled",
        "'good' took 1 runs, not 2",
        "'good' was not skipped",
        "'good' is no dead letter",
        "'dead' is dead for the reason 'gave_up', not 'poison'",
        "expected the order 'dead', 'good', got 'good'",
        "expected all handled, but for message.new 'dead', message.new 'x'",
        "expected no dead letters, but for message.new 'dead'",
    ]
