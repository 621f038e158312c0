"""A worker process and a real server: what becomes of events from the append to their end."""

import asyncio
import threading
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import Event, Retry, Worker
from relay.announce import Announcer
from relay.contract.connect import text_of
from relay.contract.errors import ConfigurationFault
from relay.hold import Holder
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    consumers_of,
    dead_letters,
    make_stream,
    numbered,
    pending,
    read_as,
)
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.making import make_identified
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()


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
    with capture_logs() as logs:
        async with running(handled.worker, server.url):
            await handled.until("evt_proved", "evt_other", "evt_b")
            await settled(store)

    assert "evt_a" not in handled.ids
    assert [line["why"] for line in logs if line["event"] == "event_skipped"] == ["unverified"]
    assert await dead_letters(store) == []


async def test_a_type_that_begins_while_the_worker_runs_is_read_at_once(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its announcement wakes both the look-out and the reader, long before the next look."""
    monkeypatch.setattr("consumers.discover.POLL_SECONDS", 60)

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    announcer = Announcer(store, KEYS, [TAG], Holder(store, KEYS, {}))
    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1")
        await append_events(store, ["evt_2"], "email.new")
        announcer.registered(TAG, "email.new")
        await announcer.refresh()
        await wait_until(lambda: "evt_2" in handled.ids, description="evt_2 handled")


async def test_a_worker_says_what_it_reads_and_how_much_waits(
    server: Server, store: Redis, handled: Handled
) -> None:
    """At its start, and never again."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    handled.worker.start = "now"
    await append_events(store, numbered(3))
    with capture_logs() as logs:
        async with running(handled.worker, server.url) as process:
            await wait_until(lambda: bool(process._routes.streams), description="it has joined")
            await process._discovery.look()
            await process._discovery.look()
    said = [line for line in logs if line["event"] in {"stream_joined", "handler_reads"}]

    assert [line["event"] for line in said] == ["stream_joined", "handler_reads"]
    assert (said[0]["entries"], said[0]["more"]) == (0, False)
    assert said[1]["streams"] == [STREAM.key]


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


# --- declarations


def test_a_faulty_declaration_is_refused_before_anything_is_opened() -> None:
    """The faults are the declaration's own."""
    with pytest.raises(ConfigurationFault, match="no handler"):
        asyncio.run(_start(Worker(group=GROUP)))


async def _start(worker: Worker) -> None:
    async with running(worker, "redis://127.0.0.1:1/0"):
        pass
