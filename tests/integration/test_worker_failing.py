"""A worker process and a real server: what becomes of events whose handling fails."""

from collections import Counter

import pytest
from redis.asyncio import Redis

from consumers import Event, GiveUp, Retry
from consumers.entry import read_history
from relay.contract.connect import text_of
from tests.canaries import IN_MESSAGE
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    append_events,
    dead_letters,
    due_times,
    histories,
    in_books,
    make_stream,
    numbered,
    pending,
)
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.proxy import proxy_to
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
QUICK = Retry(base_seconds=0.01, jitter=0)


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
            raise ValueError(f"attempt {event.attempt} {IN_MESSAGE}")

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await wait_until(lambda: len(handled.events) == 3, description="the third attempt")
        await settled(store)

    assert [event.attempt for event in handled.events] == [1, 2, 3]
    assert len({event.first_seen for event in handled.events}) == 1
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
            raise ValueError(f"attempt {event.attempt} {IN_MESSAGE}")

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
    assert letter[b"firsterror"] == f"ValueError: attempt 1 {IN_MESSAGE}".encode()
    assert letter[b"lasterror"] == f"ValueError: attempt 4 {IN_MESSAGE}".encode()
    assert (await due_times(store), await histories(store)) == ({}, {})


async def test_giving_up_sets_an_event_aside_at_once(
    server: Server, store: Redis, handled: Handled
) -> None:
    """One attempt, whatever the policy."""

    @handled.worker.on("unipile:*")
    def handle(event: Event) -> None:
        handled.events.append(event)
        raise GiveUp(f"the account is gone {IN_MESSAGE}")

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1")
        await settled(store)
    (letter,) = await dead_letters(store)

    assert (letter[b"reason"], letter[b"lasterror"]) == (
        b"gave_up",
        f"GiveUp: the account is gone {IN_MESSAGE}".encode(),
    )
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


async def test_a_history_is_read_again_by_whoever_takes_the_entry(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Attempts made by one worker count for the next."""

    @handled.worker.on("unipile:*", retry=Retry(attempts=5, base_seconds=60, jitter=0))
    async def fail(event: Event) -> None:
        handled.events.append(event)
        raise ValueError(f"attempt {event.attempt} {IN_MESSAGE}")

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
    assert read_history(value).first_error == f"ValueError: attempt 1 {IN_MESSAGE}"
