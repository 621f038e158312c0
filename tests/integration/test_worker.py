"""A worker process and a real server: what becomes of events from the append to their end."""

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import Event, GiveUp, Retry, Worker
from consumers.app import WorkerFailed, WorkerProcess
from consumers.entry import read_history
from relay.announce import Announcer
from relay.contract.connect import text_of
from relay.contract.errors import ConfigurationFault
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    consumers_of,
    dead_letters,
    due_times,
    histories,
    in_books,
    make_stream,
    pending,
    read_as,
)
from tests.consumers.proxy import proxy_to
from tests.consumers.working import running, settings_for
from tests.making import make_identified
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
QUICK = Retry(base_seconds=0.01, jitter=0)


def numbered(count: int, prefix: str = "evt") -> list[str]:
    """Name some events."""
    return [f"{prefix}_{number}" for number in range(count)]


class Handled:
    """What the handlers of a test were given.

    Args:
        worker: Where they are declared.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.events: list[Event] = []

    @property
    def ids(self) -> list[str]:
        """The event ids, in order, one for each run."""
        return [event.id for event in self.events]

    async def until(self, *event_ids: str) -> None:
        """Wait until each of these was handled."""
        await wait_until(
            lambda: set(event_ids) <= set(self.ids), description=f"{event_ids} handled"
        )

    async def until_runs(self, count: int) -> None:
        """Wait until there were so many runs."""
        await wait_until(lambda: len(self.events) == count, description=f"{count} runs")


@pytest.fixture
def handled() -> Handled:
    """An empty worker and the list of what its handlers are given."""
    return Handled(Worker(group=GROUP))


async def settled(store: Redis, event_type: str = TYPE) -> None:
    """Wait until the group has nothing pending and nothing unread."""

    async def done() -> bool:
        (group,) = await store.xinfo_groups(make_stream(event_type).key)
        newest = await store.xrevrange(make_stream(event_type).key, count=1) or []
        read_all = text_of(group["last-delivered-id"]) == text_of(newest[0][0] or b"")
        return read_all and not group["pending"]

    await wait_until(done, description="everything is settled")


# --- handling


async def test_every_event_is_handled_once_and_settled(
    server: Server, store: Redis, handled: Handled
) -> None:
    """What was there before the worker, and what comes while it works."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    await append_events(store, numbered(200, "before"))
    async with running(handled.worker, server.url):
        await handled.until(*numbered(200, "before"))
        await append_events(store, numbered(200, "after"))
        await handled.until(*numbered(200, "after"))
        await settled(store)

    assert sorted(handled.ids) == sorted(numbered(200, "before") + numbered(200, "after"))
    assert await dead_letters(store) == []


async def test_a_handler_sees_the_event_as_it_was_appended(
    server: Server, store: Redis, handled: Handled
) -> None:
    """With its entry's id, as its first attempt."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    (entry_id,) = await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1")
    (event,) = handled.events

    assert (event.id, event.type, event.endpoint) == ("evt_1", TYPE, TAG)
    assert event.data == make_identified("evt_1").event.data
    assert (event.entry_id, event.attempt) == (entry_id, 1)


async def test_plain_and_asynchronous_handlers_work_side_by_side(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Each has the streams of the most specific pattern."""
    threads: set[bool] = set()

    @handled.worker.on("unipile:*")
    def plain(event: Event) -> None:
        threads.add(threading.current_thread() is threading.main_thread())
        handled.events.append(event)

    @handled.worker.on("unipile:email.*")
    async def asynchronous(event: Event) -> None:
        assert event.type == "email.new"
        handled.events.append(event)

    await append_events(store, numbered(20, "message"))
    await append_events(store, numbered(20, "email"), "email.new")
    async with running(handled.worker, server.url):
        await handled.until(*numbered(20, "message"), *numbered(20, "email"))
        await settled(store)
        await settled(store, "email.new")

    assert threads == {False}
    assert len(handled.ids) == 40


async def test_no_more_runs_at_once_than_a_handler_may(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Its concurrency is a promise to whatever is behind it."""
    at_once: list[int] = []
    now = 0

    @handled.worker.on("unipile:*", concurrency=3)
    async def handle(event: Event) -> None:
        nonlocal now
        now += 1
        at_once.append(now)
        await asyncio.sleep(0)
        now -= 1
        handled.events.append(event)

    await append_events(store, numbered(60))
    async with running(handled.worker, server.url):
        await handled.until(*numbered(60))

    assert max(at_once) == 3


async def test_a_handler_with_one_place_keeps_its_pace_beside_idle_streams(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Each settled entry has the next one read at once."""

    @handled.worker.on("unipile:busy", concurrency=1, read_ahead=0)
    async def handle(event: Event) -> None:
        handled.events.append(event)

    @handled.worker.on("unipile:*")
    async def idle(event: Event) -> None:
        handled.events.append(event)

    names = numbered(20, "idle")
    for name in names:
        await append_events(store, [name], name)
    await append_events(store, numbered(200), "busy")
    async with running(handled.worker, server.url):
        await handled.until(*names, *numbered(200))

    assert len(handled.ids) == 220


async def test_what_proves_nothing_is_settled_without_a_run(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Unless the handler wants it."""

    @handled.worker.on("unipile:*")
    async def careful(event: Event) -> None:
        handled.events.append(event)

    @handled.worker.on("unipile:unidentified", accept_unverified=True)
    async def curious(event: Event) -> None:
        handled.events.append(event)

    unproved = {"assurance": "none", "relayversion": "1", "source": "/webhooks/unipile"}
    await append_events(store, ["evt_proved"])
    await append_events(store, ["evt_other"], "unidentified")
    for stream, name in [(STREAM, "evt_a"), (make_stream("unidentified"), "evt_b")]:
        fields: Any = {"id": name, "type": "x", "data": "", "receivedat": "1", **unproved}
        await store.xadd(stream.key, fields)
    async with running(handled.worker, server.url):
        await handled.until("evt_proved", "evt_other", "evt_b")
        await settled(store)

    assert "evt_a" not in handled.ids
    assert await dead_letters(store) == []


async def test_a_type_that_begins_while_the_worker_runs_is_read_at_once(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Its announcement wakes both the look-out and the reader."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    announcer = Announcer(store, KEYS, [TAG], {})
    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1")
        await append_events(store, ["evt_2"], "email.new")
        announcer.registered(TAG, "email.new")
        await announcer.refresh()
        await wait_until(
            lambda: "evt_2" in handled.ids, deadline_seconds=4, description="evt_2 handled"
        )


# --- failing


async def test_a_handler_that_fails_twice_and_then_works_is_run_three_times(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each delay is longer than the one before, and the event ends as any other."""
    delays: list[float] = []
    due = Redis.execute_command

    async def watched(self: Redis, *parts: object, **options: object) -> object:
        # The script that parks takes the delay in ms as its tenth part.
        if parts[0] in {"EVALSHA", "EVAL"} and "@park:" in str(parts[4]) and len(parts) == 12:
            delays.append(float(str(parts[10])))
        return await due(self, *parts, **options)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(Redis, "execute_command", watched)

    @handled.worker.on("unipile:*", retry=Retry(base_seconds=0.05, jitter=0))
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.attempt < 3:
            raise ValueError(f"attempt {event.attempt}")

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await wait_until(lambda: len(handled.events) == 3, description="the third attempt")
        await settled(store)

    assert [event.attempt for event in handled.events] == [1, 2, 3]
    assert list(dict.fromkeys(delays)) == [50, 100]
    assert await dead_letters(store) == []
    assert (await due_times(store), await histories(store)) == ({}, {})


async def test_a_handler_that_always_fails_does_not_hold_up_the_rest(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Its event ends in the dead letters after the set attempts, with the first and last error."""

    @handled.worker.on("unipile:*", retry=Retry(attempts=4, base_seconds=0.01, jitter=0))
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.id == "evt_3":
            raise ValueError(f"attempt {event.attempt}")

    await append_events(store, numbered(20))
    async with running(handled.worker, server.url):
        await handled.until(*numbered(20))

        async def set_aside() -> bool:
            return bool(await dead_letters(store))

        await wait_until(set_aside, description="it is set aside")
        await settled(store)
    (letter,) = await dead_letters(store)

    assert Counter(handled.ids) == Counter(dict.fromkeys(numbered(20), 1) | {"evt_3": 4})
    assert (letter[b"id"], letter[b"reason"], letter[b"attempts"]) == (
        b"evt_3",
        b"attempts_spent",
        b"4",
    )
    assert letter[b"firsterror"] == b"ValueError: attempt 1"
    assert letter[b"lasterror"] == b"ValueError: attempt 4"
    assert (await due_times(store), await histories(store)) == ({}, {})


async def test_giving_up_sets_an_event_aside_at_once(
    server: Server, store: Redis, handled: Handled
) -> None:
    """One attempt, whatever the policy."""

    @handled.worker.on("unipile:*")
    def handle(event: Event) -> None:
        handled.events.append(event)
        raise GiveUp("the account is gone")

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1")
        await settled(store)
    (letter,) = await dead_letters(store)

    assert (letter[b"reason"], letter[b"lasterror"]) == (b"gave_up", b"GiveUp: the account is gone")
    assert handled.ids == ["evt_1"]


async def test_an_entry_that_nobody_can_read_is_set_aside(
    server: Server, store: Redis, handled: Handled
) -> None:
    """It is never left pending for ever, and its neighbours are handled."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    await append_events(store, ["evt_1"])
    foreign = text_of(await store.xadd(STREAM.key, {"hello": b"\xff"}) or b"")
    await append_events(store, ["evt_2"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1", "evt_2")
        await settled(store)
    (letter,) = await dead_letters(store)

    assert letter[b"hello"] == b"\xff"
    assert (letter[b"entryid"], letter[b"reason"]) == (foreign.encode(), b"unreadable")
    assert b"missing" in letter[b"lasterror"]


async def test_a_lost_entry_of_the_worker_itself_is_found_after_the_connection_broke(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Replies are lost to reads and to scripts alike; every event is handled."""

    @handled.worker.on("unipile:*", retry=QUICK)
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.attempt == 1 and event.id.endswith("0"):
            raise ValueError

    await append_events(store, numbered(50))
    async with proxy_to(server.port) as proxy:
        proxy.lose_replies_to(b"XREADGROUP", 1)
        async with running(handled.worker, proxy.url):
            await handled.until("evt_1")
            proxy.lose_replies_to(b"EVALSHA", 3)
            await append_events(store, numbered(50, "more"))
            await handled.until(*numbered(50), *numbered(50, "more"))
            await settled(store)

            assert proxy.lost >= 2


# --- the others


async def test_another_groups_progress_is_its_own(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Another program's place, pending entries and consumers stay as they are."""

    @handled.worker.on("unipile:*", retry=Retry(attempts=2, base_seconds=0.01))
    async def handle(event: Event) -> None:
        handled.events.append(event)
        raise ValueError

    await append_events(store, numbered(5))
    theirs = await read_as(store, "their-program", group="analytics")
    await append_events(store, ["evt_unread"])
    async with running(handled.worker, server.url):
        await handled.until("evt_unread")
        await settled_group(store, GROUP)

    assert await pending(store, group="analytics") == dict.fromkeys(theirs, "their-program")
    assert await consumers_of(store, group="analytics") == {"their-program"}
    groups = {text_of(group["name"]): group for group in await store.xinfo_groups(STREAM.key)}
    assert text_of(groups["analytics"]["last-delivered-id"]) == theirs[-1]
    assert len(await dead_letters(store)) == 6


async def settled_group(store: Redis, group: str) -> None:
    """Wait until one of several groups has nothing pending."""

    async def done() -> bool:
        return not await pending(store, group=group)

    await wait_until(done, description="everything is settled")


async def test_two_workers_share_a_group(server: Server, store: Redis) -> None:
    """Each event is handled by one of them."""
    both = [Handled(Worker(group=GROUP)) for _ in range(2)]
    began = asyncio.Event()
    for handled in both:

        @handled.worker.on("unipile:*", concurrency=2, read_ahead=2)
        async def handle(event: Event, handled: Handled = handled) -> None:
            handled.events.append(event)
            if all(each.events for each in both):
                began.set()
            await began.wait()

    await append_events(store, numbered(300))
    async with running(both[0].worker, server.url), running(both[1].worker, server.url):
        await wait_until(
            lambda: len(both[0].events) + len(both[1].events) >= 300, description="all handled"
        )
        await settled(store)

    assert sorted(both[0].ids + both[1].ids) == sorted(numbered(300))


# --- the end


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
        asyncio.get_running_loop().call_later(0.05, gate.set)
    rest = entry_ids[2:]

    assert process.left_running == 0
    assert await pending(store) == dict.fromkeys(rest, "@park")
    assert list(await due_times(store)) == [in_books(entry_id) for entry_id in rest]
    assert await histories(store) == {}
    assert await consumers_of(store) == {"@park"}
    assert not [key async for key in store.scan_iter("relay:@alive:*")]


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


async def test_an_entry_that_a_thread_is_still_busy_with_is_not_handed_back(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Another worker would run it beside the thread; it is taken over when the process is gone."""
    gate = threading.Event()

    @handled.worker.on("unipile:*")
    def hang(event: Event) -> None:
        handled.events.append(event)
        gate.wait()

    (entry_id,) = await append_events(store, ["evt_1"])
    try:
        async with running(handled.worker, server.url, grace_seconds=0) as process:
            await handled.until("evt_1")
        left = process.left_running
    finally:
        gate.set()

    assert left == 1
    assert await pending(store) == {entry_id: process.consumer}


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
        assert await consumers_of(store) == {"@park"}


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

    assert await consumers_of(store) <= {"@park"}


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


async def test_a_handler_that_ends_the_process_ends_the_worker(
    server: Server, store: Redis, handled: Handled
) -> None:
    """What is no exception of a handler's is not made into a failed attempt."""

    class Fatal(BaseException):
        """Not to be handled."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        raise Fatal

    await append_events(store, ["evt_1"])
    process = WorkerProcess(handled.worker, settings_for(server.url))
    with pytest.raises(WorkerFailed, match="Fatal"):
        await asyncio.wait_for(process.run(asyncio.Event()), 10)

    assert await dead_letters(store) == []
    assert len(await pending(store)) == 1


def test_a_faulty_declaration_is_refused_before_anything_is_opened() -> None:
    """The faults are the declaration's own."""
    with pytest.raises(ConfigurationFault, match="no handler"):
        asyncio.run(_start(Worker(group=GROUP)))


async def _start(worker: Worker) -> None:
    async with running(worker, "redis://127.0.0.1:1/0"):
        pass


async def test_a_history_is_read_again_by_whoever_takes_the_entry(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Attempts made by one worker count for the next."""

    @handled.worker.on("unipile:*", retry=Retry(attempts=5, base_seconds=60, jitter=0))
    async def fail(event: Event) -> None:
        handled.events.append(event)
        raise ValueError(f"attempt {event.attempt}")

    (entry_id,) = await append_events(store, ["evt_1"])
    for attempt in (1, 2, 3):
        async with running(handled.worker, server.url):
            await handled.until_runs(attempt)

            async def parked() -> bool:
                return await pending(store) == {entry_id: "@park"}

            await wait_until(parked, description="it is parked")
        await store.zadd(KEYS.park(TAG, GROUP), {in_books(entry_id): 1.0})
    (value,) = (await histories(store)).values()

    assert [event.attempt for event in handled.events] == [1, 2, 3]
    assert read_history(value).attempts == 3
    assert read_history(value).first_error == "ValueError: attempt 1"
