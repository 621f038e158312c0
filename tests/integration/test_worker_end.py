"""A worker process and a real server: what the end of a worker leaves behind."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import Event, discover
from consumers.app import WorkerFailed, WorkerProcess
from consumers.read_by_tag import TagReaders
from relay.contract.connect import connect
from tests.canaries import IN_MESSAGE
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    consumers_of,
    dead_letters,
    do_nothing,
    due_times,
    histories,
    in_books,
    numbered,
    pending,
    read_as,
)
from tests.consumers.working import running, settings_for
from tests.integration.workers import Handled, settled
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


async def test_the_end_hands_back_what_is_not_handled_and_leaves_no_name_behind(
    server: Server, store: Redis, handled: Handled
) -> None:
    """What runs may finish; the rest is another worker's within a moment, and no attempt."""
    gate = asyncio.Event()

    @handled.worker.on("unipile:*", concurrency=2, read_ahead=10)
    async def handle(event: Event) -> None:
        handled.events.append(event)
        await gate.wait()

    entry_ids = await append_events(store, numbered(8))
    async with running(handled.worker, server.url) as process:
        await wait_until(lambda: len(handled.events) == 2, description="two run")

        async def all_read() -> bool:
            return len(await pending(store)) == 8

        await wait_until(all_read, description="the rest is read ahead")
        finishing = asyncio.create_task(when_it_waits(process, gate.set))
    await finishing
    rest = entry_ids[2:]

    assert process.left_running == 0
    assert await pending(store) == dict.fromkeys(rest, "@park")
    assert list(await due_times(store)) == [in_books(entry_id) for entry_id in rest]
    assert await histories(store) == {}
    assert await consumers_of(store) == {"@park", "@left"}
    assert not [key async for key in store.scan_iter("relay:@alive:*")]


async def when_it_waits(process: WorkerProcess, act: Callable[[], None]) -> None:
    """Do something once a worker that ends waits only for the handlers that run."""
    await wait_until(lambda: process._crews[0]._is_ending, description="it waits for handlers")
    act()


async def test_what_was_handed_back_is_handled_by_the_next_worker(
    server: Server, store: Redis, handled: Handled
) -> None:
    """As its first attempt, without waiting for anybody to be declared dead."""
    gate = asyncio.Event()

    @handled.worker.on("unipile:*", concurrency=1)
    async def handle(event: Event) -> None:
        handled.events.append(event)
        await gate.wait()

    await append_events(store, numbered(5))
    async with running(handled.worker, server.url, grace_seconds=0):
        await wait_until(lambda: len(handled.events) == 1, description="one runs")
    gate.set()
    first = handled.ids
    handled.events.clear()
    async with running(handled.worker, server.url):
        await handled.until(*numbered(5))
        await settled(store)

    assert first == ["evt_0"]
    assert sorted(handled.ids) == numbered(5)
    assert {event.attempt for event in handled.events} == {1}


@pytest.mark.parametrize("order_by", [None, "account"])
async def test_an_entry_that_a_thread_is_still_busy_with_is_not_handed_back(
    server: Server, store: Redis, handled: Handled, order_by: str | None
) -> None:
    """Another worker would run it beside the thread; it is taken over when the process is gone."""
    gate = threading.Event()

    @handled.worker.on("unipile:*", order_by=order_by)
    def hang(event: Event) -> None:
        handled.events.append(event)
        gate.wait()

    (entry_id,) = await append_events(store, ["evt_1"])
    try:
        async with running(handled.worker, server.url, grace_seconds=0) as process:
            await handled.until("evt_1")
        left = process.left_running
        owner = await store.hget(KEYS.owner(TAG, GROUP, TYPE), "consumer")
    finally:
        gate.set()

    assert left == 1
    assert await pending(store) == {entry_id: process.consumer}
    # Nor is the stream given up, whose next owner would run it.
    assert owner == (process.consumer.encode() if order_by else None)


async def test_a_worker_that_stops_takes_on_nothing_more(
    server: Server, store: Redis, handled: Handled
) -> None:
    """While one handler finishes, a due entry of another is left for those who go on."""
    gate = asyncio.Event()

    @handled.worker.on("unipile:slow")
    async def slow(event: Event) -> None:
        handled.events.append(event)
        await gate.wait()

    @handled.worker.on("unipile:*")
    async def quick(event: Event) -> None:
        handled.events.append(event)

    await append_events(store, ["evt_slow"], "slow")
    await append_events(store, ["evt_quick"])
    async with running(handled.worker, server.url) as process:
        await handled.until("evt_slow", "evt_quick")
        await settled(store)
        stopping = asyncio.create_task(process._stop())
        await wait_until(
            lambda: all(lane.done() for lane in process._crews[1]._lanes),
            description="the quick handler's lanes have ended",
        )
        await append_events(store, ["evt_due"])
        (entry_id,) = await read_as(store, "@park")
        await store.zadd(KEYS.park(TAG, GROUP), {in_books(entry_id): 1.0})
        # Longer than it would take to look for due entries.
        asyncio.get_running_loop().call_later(0.5, gate.set)
        await stopping

        assert await pending(store) == {entry_id: "@park"}
        assert await consumers_of(store) == {"@park", "@left"}


async def test_stops_leave_no_names_behind(server: Server, store: Redis, handled: Handled) -> None:
    """A group does not fill with the names of processes long gone."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    for number in range(10):
        async with running(handled.worker, server.url):
            await append_events(store, [f"evt_{number}"])
            if number % 2:
                await handled.until(f"evt_{number}")
    async with running(handled.worker, server.url):
        await handled.until(*numbered(10))
        await settled(store)

    assert await consumers_of(store) <= {"@park", "@left"}


async def test_an_end_in_the_middle_of_the_first_look_leaves_no_name_behind(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a consumer by then, and reads nothing yet."""
    looks = asyncio.Event()

    async def hang(*_: object) -> None:
        looks.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(discover, "count_unread", hang)
    handled.worker.on("unipile:*")(do_nothing)
    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await looks.wait()
        before = await consumers_of(store)

    assert len(before) == 1
    assert await consumers_of(store) == {"@left"}


@pytest.mark.parametrize("hurried", ["before the end", "while it waits"])
async def test_a_worker_that_is_hurried_waits_for_no_handler(
    server: Server, store: Redis, handled: Handled, hurried: str
) -> None:
    """What ran is another worker's at once, and that was no attempt."""
    gate = asyncio.Semaphore(0)

    @handled.worker.on("unipile:*", concurrency=2)
    async def handle(event: Event) -> None:
        handled.events.append(event)
        await gate.acquire()

    await append_events(store, numbered(4))
    async with running(handled.worker, server.url, grace_seconds=1000) as process:
        await handled.until_runs(2)
        steps = [process._stop()]
        if hurried == "before the end":
            process.hurry()
            # Another one begins meanwhile.
            gate.release()
            await handled.until_runs(3)
        else:
            steps.append(when_it_waits(process, process.hurry))
        async with asyncio.timeout(20):
            await asyncio.gather(*steps)
    left = await pending(store)

    assert process.left_running == 0
    assert set(left.values()) == {"@park"}
    assert len(left) == 4 - (len(handled.events) - 2)
    assert await histories(store) == {}


async def test_stops_under_load_lose_and_double_nothing(
    server: Server, store: Redis, handled: Handled
) -> None:
    """However often, and wherever the end finds the entries."""

    def so_many(count: int) -> Callable[[], bool]:
        return lambda: len(handled.events) >= count

    @handled.worker.on("unipile:*", concurrency=5, read_ahead=20)
    async def handle(event: Event) -> None:
        await asyncio.sleep(0.002)
        handled.events.append(event)

    rounds = 20
    for number in range(rounds):
        await append_events(store, numbered(60, f"evt_{number}"))
        enough = so_many(len(handled.events) + 20)
        async with running(handled.worker, server.url):
            await wait_until(enough, description="20 more are handled")
    async with running(handled.worker, server.url):
        await wait_until(so_many(60 * rounds), description="all are handled")
        await settled(store)

    assert sorted(handled.ids) == sorted(
        name for number in range(rounds) for name in numbered(60, f"evt_{number}")
    )
    assert await consumers_of(store) <= {"@park", "@left"}
    assert await dead_letters(store) == []


async def test_a_worker_that_is_stopped_at_once_ends(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Before it has read anything, and before there is anything to read."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    async with running(handled.worker, server.url):
        pass
    async with running(handled.worker, server.url) as process:
        await wait_until(process._heartbeat.beats, description="it has begun")

    assert await store.dbsize() == 0


async def test_a_worker_starts_and_ends_while_the_store_is_away(handled: Handled) -> None:
    """It waits for the store, and can be stopped while it waits."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    with capture_logs() as logs:
        async with running(handled.worker, "redis://127.0.0.1:1/0"):
            await wait_until(
                lambda: any(line["event"] == "duty_waits_for_store" for line in logs),
                description="it says that it waits",
            )

    assert logs[-1]["event"] == "worker_stopped"


async def test_a_store_that_hangs_does_not_keep_a_worker(
    own_server: Server, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves without goodbye, and what it held stays pending for others."""
    monkeypatch.setattr("consumers.app.LAST_READ_SECONDS", 0.2)
    monkeypatch.setattr("consumers.farewell.FAREWELL_SECONDS", 0.2)
    monkeypatch.setattr("consumers.heartbeat.TIMEOUT_SECONDS", 0.5)

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)
        await asyncio.Event().wait()

    store = connect(own_server.url, role="test")
    entry_ids = await append_events(store, numbered(3))
    with capture_logs() as logs:
        async with running(handled.worker, own_server.url, grace_seconds=0.1) as process:
            await handled.until_runs(3)
            own_server.fall_asleep()
    own_server.wake_up()

    assert "left_without_goodbye" in [line["event"] for line in logs]
    assert await pending(store) == dict.fromkeys(entry_ids, process.consumer)
    await store.aclose()


class Fatal(BaseException):
    """Not to be handled."""


@pytest.mark.parametrize("error", [Fatal("secret"), SystemExit("secret")], ids=["own", "exit"])
async def test_a_handler_that_ends_the_process_ends_the_worker(
    server: Server, store: Redis, handled: Handled, error: BaseException
) -> None:
    """What is no exception of a handler's is not made into a failed attempt; the log has where."""
    name = type(error).__name__

    @handled.worker.on("unipile:*")
    async def end_it(event: Event) -> None:
        raise error

    await append_events(store, ["evt_1"])
    process = WorkerProcess(handled.worker, settings_for(server.url))
    with capture_logs() as logs, pytest.raises(WorkerFailed, match=f"the worker: {name}$"):
        await asyncio.wait_for(process.run(asyncio.Event()), 10)
    (line,) = (line for line in logs if line["event"] == "worker_failed")

    assert line["error"] == name
    assert line["frames"][-1].endswith(" end_it")
    assert "secret" not in str(logs)
    assert await dead_letters(store) == []
    assert len(await pending(store)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("part", "step", "message"),
    [
        ("_heartbeat", "on_beat", "the heartbeat has ended"),
        ("_reader", "_step", "reading has ended: KeyError"),
        ("_ordered", "_step", "reading has ended: KeyError"),
    ],
)
async def test_a_part_that_ends_by_a_fault_ends_the_worker(
    server: Server, handled: Handled, part: str, step: str, message: str
) -> None:
    """Without a heartbeat others would run what it runs; without reading it would do nothing."""
    handled.worker.on("unipile:*")(do_nothing)
    process = WorkerProcess(handled.worker, settings_for(server.url))

    def fail(*_: object) -> None:
        raise KeyError(IN_MESSAGE)

    if isinstance(getattr(process, part), TagReaders):
        step = "_adjust"  # in a cluster there is a reader for each tag
    setattr(getattr(process, part), step, fail)
    with pytest.raises(WorkerFailed, match=message), capture_logs() as logs:
        await asyncio.wait_for(process.run(asyncio.Event()), 10)

    assert "what a sender wrote" not in str(logs)
