"""Handlers in processes of their own: how runs end, and what becomes of the processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import CallNext, Retry
from consumers.crew import crew_for
from consumers.event import Event
from consumers.isolate import child as child_module
from consumers.isolate import runner as runner_module
from consumers.isolate.runner import IsolatedRunner
from consumers.isolate.wire import (
    framed,
    read_call,
    read_frame,
    read_reply,
    written_call,
    written_reply,
)
from consumers.lease import Lease
from consumers.outcome import Done, Failed, GaveUp, Outcome, Skipped, Unreadable
from consumers.worker import HandlerFunction
from tests.consumers import isolated
from tests.consumers.making import fields_for, make_entry, make_handler, make_room, make_seen
from tests.consumers.test_crew import Notes
from tests.making import make_event
from tests.waiting import wait_until

# Much longer than a note takes, and much shorter than a hang.
QUICKLY_SECONDS = 1.0


@asynccontextmanager
async def isolating(function: HandlerFunction, **options: Any) -> AsyncIterator[IsolatedRunner]:
    """Have a handler's own processes within the block."""
    runner = IsolatedRunner(make_handler(function, isolate="process", **options), "json")
    try:
        yield runner
    finally:
        await runner.stop()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A file in which handlers leave notes."""
    return tmp_path / "book"


def noting(book: Path, **changes: Any) -> Event:
    """Make an event that says where notes go."""
    return make_seen(data=str(book).encode(), **changes)


def notes(book: Path) -> list[list[str]]:
    """Give what handlers have noted: event id, attempt, process, parent."""
    return [line.split() for line in book.read_text().splitlines()] if book.exists() else []


def runs(pid: int) -> bool:
    """Tell whether a process is there, and is not just waiting to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def until_gone(pid: int) -> None:
    """Wait until a process is no more."""
    await wait_until(lambda: not runs(pid), description=f"process {pid} is gone")


@pytest.mark.parametrize("function", [isolated.note, isolated.note_in_loop])
async def test_a_handler_runs_in_a_process_that_is_kept(
    function: HandlerFunction, book: Path
) -> None:
    """The second event finds it there, whichever kind of function it is."""
    async with isolating(function) as runner:
        outcomes = [await runner.run(noting(book, id=f"evt_{number}")) for number in (1, 2)]
        pids = runner.pids

    (pid,) = pids
    us = str(os.getpid())
    assert outcomes == [Done(), Done()]
    assert notes(book) == [["evt_1", "1", str(pid), us], ["evt_2", "1", str(pid), us]]
    assert not runs(pid)


@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        (isolated.fail, Failed("ValueError", "ValueError: no ?")),
        (isolated.give_up, GaveUp("GiveUp: useless")),
        (
            isolated.use_the_store,
            Failed(
                "RuntimeError",
                "RuntimeError: event.once needs a store, which this handler has not got",
            ),
        ),
        (
            isolated.crash,
            Failed("ProcessDied", "ProcessDied: the handler's process died (signal 11)"),
        ),
        (
            isolated.leave,
            Failed("ProcessDied", "ProcessDied: the handler's process died (exit code 7)"),
        ),
        (
            isolated.leave_politely,
            Failed("ProcessDied", "ProcessDied: the handler's process died (exit code 1)"),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_whatever_ends_a_run_is_an_outcome_of_it(
    function: HandlerFunction, outcome: Outcome
) -> None:
    """Also where the process is gone with it; an event that kills it is no danger to the worker."""
    async with isolating(function) as runner:
        assert await runner.run(make_seen()) == outcome


async def test_a_process_that_leaves_another_behind_is_seen_to_have_died(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other holds the connection open, over which no answer will ever come."""
    monkeypatch.setattr(child_module, "LAST_WORDS_SECONDS", 0.05)
    async with isolating(isolated.fork_and_leave, timeout_seconds=5) as runner:
        try:
            outcome = await runner.run(noting(book))
        finally:
            isolated.note(noting(book))

    assert outcome == Failed("ProcessDied", "ProcessDied: the handler's process died (exit code 7)")


@pytest.mark.parametrize(
    ("function", "retryable"),
    [(isolated.fail, False), (isolated.fail_passing, True), (isolated.leave, True)],
)
async def test_the_policys_exceptions_are_known_in_the_process(
    function: HandlerFunction, *, retryable: bool
) -> None:
    """They may be the user's own; a process that died says nothing against another attempt."""
    async with isolating(function, retry=Retry(on=(isolated.Passing,))) as runner:
        outcome = await runner.run(make_seen())

    assert isinstance(outcome, Failed)
    assert outcome.retryable is retryable


@pytest.mark.parametrize("function", [isolated.hang, isolated.hang_in_native_code])
async def test_what_is_over_its_time_is_killed_and_has_failed(
    function: HandlerFunction, book: Path
) -> None:
    """Whatever it is busy with; the next run has a new process."""
    async with isolating(function, timeout_seconds=1) as runner:
        with capture_logs() as logs:
            outcomes = [await runner.run(noting(book)) for _ in range(2)]
        first, second = (int(note[2]) for note in notes(book))
        await until_gone(first)

    assert outcomes == [Failed("TimeoutError", "TimeoutError: no end within 1 s")] * 2
    assert first != second
    assert [line["event"] for line in logs] == ["handler_process_killed"] * 2


async def test_what_a_killed_process_has_started_is_killed_with_it(book: Path) -> None:
    """Else a program that hangs would be left behind with each attempt."""
    async with isolating(isolated.leave_a_program_and_hang, timeout_seconds=1) as runner:
        outcome = await runner.run(noting(book))

    assert isinstance(outcome, Failed)
    await until_gone(int(notes(book)[0][0]))


async def test_a_payload_is_made_in_the_process_and_what_is_known_of_the_run_goes_along(
    book: Path,
) -> None:
    """Nothing but the event is sent; a body that does not fit is no danger."""
    body = json.dumps({"payload": {"path": str(book)}}).encode()
    known: dict[str, Any] = {"entry_id": "1-0", "first_seen": 5.0, "lease": Lease(fence=7)}
    known["tag"] = "unipile#3"
    event = Event(make_event(data=body), attempt=2, **known)
    async with isolating(isolated.note_payload, payload_at="/payload") as runner:
        outcomes = [await runner.run(event), await runner.run(make_seen(data=b"{}"))]

    assert outcomes[0] == Done()
    assert notes(book) == [["evt_1", "2", "5.0", "7", "unipile#3"]]
    assert isinstance(outcomes[1], GaveUp)
    assert outcomes[1].reason == "invalid_payload"


async def test_middleware_runs_in_the_worker_around_the_process(book: Path) -> None:
    """A failure there is raised to it like any other, and means the same when it passes."""
    raised: list[str] = []

    async def around(event: Event, call_next: CallNext) -> None:
        try:
            await call_next(event)
        except Exception as error:
            raised.append(str(error))
            raise

    async with isolating(isolated.give_up, middleware=(around,)) as runner:
        outcome = await runner.run(make_seen())

    assert outcome == GaveUp("GiveUp: useless")
    assert raised == ["GaveUp"]


async def test_middleware_may_run_a_handler_again_in_the_same_process(book: Path) -> None:
    """The process is the run's until all of it has ended."""

    async def twice(event: Event, call_next: CallNext) -> None:
        await call_next(event)
        await call_next(event)

    async with isolating(isolated.note, middleware=(twice,)) as runner:
        outcomes = await asyncio.gather(*(runner.run(noting(book, id=f"{n}")) for n in range(2)))

    assert outcomes == [Done()] * 2
    assert len(notes(book)) == 4
    assert len({(note[0], note[2]) for note in notes(book)}) == 2


@pytest.mark.parametrize("function", [isolated.hang_at_first, isolated.leave_at_first])
async def test_middleware_may_try_again_what_has_cost_its_process(
    function: HandlerFunction, book: Path
) -> None:
    """The second try has a process of its own, which is kept for the next event."""

    async def again(event: Event, call_next: CallNext) -> None:
        try:
            await asyncio.wait_for(call_next(event), QUICKLY_SECONDS)
        except Exception:  # noqa: BLE001 - whatever it was
            await call_next(event)

    async with isolating(function, middleware=(again,)) as runner:
        outcomes = [await runner.run(noting(book)) for _ in range(2)]

    assert outcomes == [Done()] * 2
    pids = [note[2] for note in notes(book)]
    assert pids[0] != pids[1] == pids[2]


async def test_runs_at_once_have_a_process_each(book: Path) -> None:
    """One that hangs keeps no other waiting."""
    async with isolating(isolated.wait_for_two) as runner:
        outcomes = await asyncio.gather(*(runner.run(noting(book)) for _ in range(2)))

    assert outcomes == [Done()] * 2
    assert len({note[2] for note in notes(book)}) == 2


async def test_signals_that_end_a_worker_do_not_end_a_run(book: Path) -> None:
    """Whoever stops a whole group of processes leaves it to the worker when this one ends."""
    async with isolating(isolated.be_interrupted) as runner:
        assert await runner.run(noting(book)) == Done()

    assert len(notes(book)) == 1


def test_a_process_of_a_handlers_own_does_not_load_a_client_of_the_store() -> None:
    """It never asks one, and there are many of it: a quarter of its memory and of its start."""
    loads = "import sys, consumers.isolate.program; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)

    assert "consumers.handle" in done.stdout.split()
    assert "redis" not in done.stdout.split()


async def test_an_event_that_proves_nothing_starts_no_process() -> None:
    """It is sorted out before."""
    async with isolating(isolated.note) as runner:
        assert await runner.run(make_seen(assurance="none")) == Skipped("unverified")
        assert runner.pids == set()


async def test_a_process_that_died_between_two_runs_is_replaced(book: Path) -> None:
    """The event that comes next is not to blame."""
    async with isolating(isolated.note) as runner:
        await runner.run(noting(book))
        (pid,) = runner.pids
        os.kill(pid, signal.SIGKILL)
        await wait_until(lambda: runner.pids == set(), description="it is gone")
        outcome = await runner.run(noting(book))

    assert outcome == Done()
    assert len({note[2] for note in notes(book)}) == 2


async def test_a_process_that_does_not_come_up_costs_no_attempt(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again until the module can be imported."""
    monkeypatch.setattr(runner_module, "FIRST_PAUSE_SECONDS", 0.01)
    async with isolating(isolated.note) as runner:
        good, runner._greeting = runner._greeting, b"not a greeting"
        with capture_logs() as logs:
            running = asyncio.create_task(runner.run(noting(book)))
            await wait_until(lambda: len(logs) >= 2, description="two starts have failed")
            runner._greeting = good
            outcome = await running

    assert outcome == Done()
    assert {(line["event"], line["error"]) for line in logs} == {
        ("handler_process_start_failed", "ProcessDied")
    }


async def test_the_end_of_the_worker_kills_what_runs_and_gives_its_entry_up(book: Path) -> None:
    """Nothing runs on, so others may have it at once."""
    handler = make_handler(isolated.hang, isolate="process", timeout_seconds=None, concurrency=1)
    room = make_room(handler)
    settled = Notes()
    crew = crew_for(room, settled, "json")
    room.put(make_entry(fields=fields_for(data=str(book).encode())))
    crew.start()
    await wait_until(lambda: bool(notes(book)), description="it runs")
    rest = await crew.stop(0)

    assert [entry.entry_id for entry in rest] == ["1-0"]
    assert settled.settled == []
    assert crew.left_running == 0
    assert not runs(int(notes(book)[0][2]))


async def test_a_process_ends_in_the_middle_of_a_run_when_nobody_waits_for_it(book: Path) -> None:
    """Also on systems whose kernel does not end it with the worker."""
    async with isolating(isolated.sleep_in_loop, timeout_seconds=None) as runner:
        running = asyncio.create_task(runner.run(noting(book)))
        await wait_until(lambda: bool(notes(book)), description="it runs")
        (child,) = runner._all
        child._writer.close()
        outcome = await asyncio.wait_for(running, 10)

    assert isinstance(outcome, Failed)
    assert outcome.error == "ProcessDied: the handler's process died (exit code 1)"


async def test_an_idle_process_that_does_not_end_is_killed(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's end does not wait for it."""
    monkeypatch.setattr(runner_module, "END_SECONDS", 0.05)
    async with isolating(isolated.note) as runner:
        await runner.run(noting(book))
        (pid,) = runner.pids
        os.kill(pid, signal.SIGSTOP)
        await asyncio.wait_for(runner.stop(), 10)

    assert not runs(pid)


# --- what passes between the processes


@pytest.mark.parametrize(
    "outcome",
    [
        Done(),
        Skipped("why"),
        Failed("ValueError", "ValueError: no", retryable=False),
        GaveUp("GiveUp: useless"),
        Unreadable("form", attempted=True),
    ],
)
def test_an_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    """Each kind of it."""
    assert read_reply(written_reply(outcome)) == outcome


def test_an_event_arrives_as_it_was() -> None:
    """Every attribute that a handler can see."""
    event = make_seen(data=b"\x00\xff", account="acc", headers={"a": "b"}, traceparent="00-1")
    event.attempt = 3
    arrived = read_call(written_call(event))

    assert arrived.stored == event.stored
    assert (arrived.entry_id, arrived.attempt) == ("1-0", 3)


@pytest.mark.parametrize("message", [b"", b"\xc1", b"\x82", written_reply(Done())[:-3] + b"xyz"])
def test_what_is_no_outcome_is_refused(message: bytes) -> None:
    """A process whose memory is spoilt may say anything."""
    with pytest.raises(ValueError, match="no outcome"):
        read_reply(message)


async def test_a_frame_that_is_cut_short_is_noticed() -> None:
    """The other end was killed while it spoke."""
    reader = asyncio.StreamReader()
    reader.feed_data(framed(b"whole") + framed(b"cut short")[:-1])
    reader.feed_eof()

    assert await read_frame(reader) == b"whole"
    with pytest.raises(EOFError):
        await read_frame(reader)
