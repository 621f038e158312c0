"""How a run ends that takes too long, or that the end of the worker overtakes."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from consumers.event import Event
from consumers.handle import Runner
from consumers.outcome import Done, Failed
from relay.contract import deadline as deadline_module
from tests.consumers.handling import hanging, run
from tests.consumers.making import make_handler, make_seen
from tests.waiting import wait_until

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


async def test_a_coroutine_that_swallows_its_cancellation_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It keeps its lane, so somebody must be told."""
    monkeypatch.setattr(deadline_module, "OVERDUE_SECONDS", 0.0)
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
        runner.stopping = True
        running.cancel()
        await asyncio.wait({running})
        gate.set()
        await wait_until(lambda: runner.in_threads == 0, description="it has returned")
        runner.close()

    assert reports == []
