"""A worker process and a real server: what becomes of events that wait long."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import Event, Retry, RetryLater, Worker
from consumers.trim import Trimmer
from relay.append import Appender
from tests.canaries import IN_MESSAGE
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    dead_letters,
    due_times,
    histories,
    make_stream,
    numbered,
    pending,
    us,
)
from tests.consumers.waiting_long import long_due, make_again, make_due, waiting_long
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.making import make_event, make_identified
from tests.servers import NAMES_WITH_CLUSTER, Server
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.redis,
    pytest.mark.parametrize("server", NAMES_WITH_CLUSTER, indirect=True),
]

STREAM = make_stream()
# A delay that only a policy can ask for; its first attempt is followed by a long one.
SLOW = Retry(attempts=3, base_seconds=86_400, cap_seconds=86_400, jitter=0)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what waits long looked at more often than in production."""
    monkeypatch.setattr("consumers.waiting.again.POLL_SECONDS", 0.02)
    monkeypatch.setattr("consumers.waiting.again.TIDY_SECONDS", 0.05)


async def until_waiting(store: Redis, count: int = 1, group: str = GROUP) -> None:
    """Wait until so many events wait long."""

    async def waits() -> bool:
        return len(await long_due(store, group=group)) == count

    await wait_until(waits, description=f"{count} wait long")


async def until_tidy(store: Redis) -> None:
    """Wait until nothing is left of what was given again."""

    async def tidy() -> bool:
        return not await store.exists(make_again().key)

    await wait_until(tidy, description="the stream is removed")


async def test_an_event_put_off_for_days_comes_back_whole(
    server: Server, store: Redis, handled: Handled
) -> None:
    """The same event to the handler, but for the number of the run; and it pins nothing."""
    counts: list[tuple[str, int, str, bytes]] = []

    @handled.worker.on("unipile:*", retry=Retry(attempts=1))
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.id == "evt_waits":
            counts.append((event.id, event.attempt, event.entry_id, event.data))
            if event.attempt < 3:
                raise RetryLater(timedelta(days=3), IN_MESSAGE)

    (entry_id,) = await append_events(store, ["evt_waits"])
    async with running(handled.worker, server.url):
        await until_waiting(store)
        await append_events(store, numbered(5))
        await handled.until(*numbered(5))
        await settled(store)
        groups: Any = await store.xinfo_groups(STREAM.key)
        for runs in (2, 3):
            await until_waiting(store)
            await make_due(store)
            await wait_until(lambda runs=runs: len(counts) == runs, description=f"{runs} runs")  # type: ignore[misc]
        await until_tidy(store)

    assert groups[0]["pending"] == 0
    assert counts == [("evt_waits", number, entry_id, counts[0][3]) for number in (1, 2, 3)]
    assert (await waiting_long(store), await long_due(store)) == ([], {})
    assert (await histories(store), await dead_letters(store)) == ({}, [])


async def test_a_policys_long_delay_waits_elsewhere_and_counts(
    server: Server, store: Redis, handled: Handled
) -> None:
    """After its last attempt the event is a dead letter like any other."""

    @handled.worker.on("unipile:*", retry=SLOW)
    async def handle(event: Event) -> None:
        handled.events.append(event)
        raise ValueError(f"attempt {event.attempt} {IN_MESSAGE}")

    (entry_id,) = await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        for runs in (1, 2):
            await handled.until_runs(runs)
            await until_waiting(store)
            await make_due(store)
        await wait_until(lambda: _has_letters(store), description="it is set aside")
        await until_tidy(store)
    (letter,) = await dead_letters(store)

    assert [event.attempt for event in handled.events] == [1, 2, 3]
    assert (letter[b"attempts"], letter[b"entryid"]) == (b"3", entry_id.encode())
    assert letter[b"firsterror"] == f"ValueError: attempt 1 {IN_MESSAGE}".encode()
    assert not {name for name in letter if name.startswith(b"@")}
    assert await histories(store) == {}


async def _has_letters(store: Redis) -> bool:
    return bool(await dead_letters(store))


async def test_what_was_given_again_is_parked_like_any_other(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Its attempts go on counting, and its books are cleared."""

    @handled.worker.on("unipile:*", retry=Retry(base_seconds=0.01))
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.attempt == 1:
            raise RetryLater(after=3600)
        if event.attempt < 4:
            raise ValueError

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await until_waiting(store)
        await make_due(store)
        await handled.until_runs(4)
        await until_tidy(store)

    assert [event.attempt for event in handled.events] == [1, 2, 3, 4]
    assert (await due_times(store), await histories(store)) == ({}, {})


async def test_a_short_wait_is_asked_for_in_the_same_way(
    server: Server, store: Redis, handled: Handled
) -> None:
    """It stays in its stream, and uses up none of the policy's attempts."""

    @handled.worker.on("unipile:*", retry=Retry(attempts=2, base_seconds=0.01))
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.attempt <= 4:
            raise RetryLater(after=0.01)
        if event.attempt == 5:
            raise ValueError

    await append_events(store, ["evt_1"])
    with capture_logs() as logs:
        async with running(handled.worker, server.url):
            await handled.until_runs(6)
            await settled(store)
    said = [line for line in logs if line["event"] == "attempt_postponed"]

    assert [(line["attempt"], line["again_in_seconds"]) for line in said] == [
        (number, 0.01) for number in (1, 2, 3, 4)
    ]
    assert [event.attempt for event in handled.events] == [1, 2, 3, 4, 5, 6]
    assert await dead_letters(store) == []


async def test_what_waits_long_is_one_groups_own(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Another group handles the event at once, and is not given it again."""
    billing = Handled(Worker(group="billing"))

    @billing.worker.on("unipile:*")
    async def charge(event: Event) -> None:
        billing.events.append(event)

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.attempt == 1:
            raise RetryLater(after=3600)

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url), running(billing.worker, server.url):
        await until_waiting(store)
        await make_due(store)
        await handled.until_runs(2)
        await append_events(store, ["evt_2"])
        await billing.until("evt_2")
        await until_tidy(store)

    assert billing.ids == ["evt_1", "evt_2"]
    assert await pending(store, group="billing") == {}
    assert await long_due(store, group="billing") == {}


async def test_another_worker_brings_back_what_waits(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Whoever put it off may be gone long since, and the stream that it came from."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.attempt == 1:
            raise RetryLater(after=3600)

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await until_waiting(store)
    await store.delete(STREAM.key)
    await make_due(store)
    async with running(handled.worker, server.url):
        await handled.until_runs(2)
        await until_tidy(store)

    assert [event.attempt for event in handled.events] == [1, 2]


async def test_what_is_settled_goes_while_one_waits_for_days(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Memory is short; the event that waits stood before all that was settled."""

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.id == "evt_waits" and event.attempt == 1:
            raise RetryLater(timedelta(days=3), IN_MESSAGE)

    await append_events(store, ["evt_waits", *numbered(300)])
    async with running(handled.worker, server.url):
        await handled.until(*numbered(300))
        await until_waiting(store)
        await settled(store)
        trimmer = Trimmer(
            us(store), retention_seconds=86_400, tags=lambda: [TAG], may_take_over=lambda: True
        )
        await wait_until(lambda: _trimmed(store, trimmer), description="nothing is pinned")
        await make_due(store)
        await handled.until_runs(302)
        await until_tidy(store)

    assert handled.ids.count("evt_waits") == 2


async def _trimmed(store: Redis, trimmer: Trimmer) -> bool:
    await trimmer.trim(short=True)
    # The server removes whole nodes of its tree only.
    return await store.xlen(STREAM.key) < 100


@pytest.mark.parametrize("deleted", ["stream", "everything"])
async def test_a_worker_goes_on_with_what_the_gateway_registers_anew(
    server: Server, store: Redis, handled: Handled, monkeypatch: pytest.MonkeyPatch, deleted: str
) -> None:
    """It says so once for each stream, and does not ask again and again meanwhile."""
    monkeypatch.setattr("consumers.discover.POLL_SECONDS", 0.05)

    @handled.worker.on("unipile:*")
    async def handle(event: Event) -> None:
        handled.events.append(event)

    await append_events(store, ["evt_1"])
    async with running(handled.worker, server.url):
        await handled.until("evt_1")
        await settled(store)
        with capture_logs() as logs:
            await (store.flushall() if deleted == "everything" else store.delete(STREAM.key))
            await wait_until(
                lambda: any(line["event"] == "stream_gone" for line in logs),
                description="it is said",
            )
            await store.config_resetstat()
            await append_events(store, ["evt_2"])
            await handled.until("evt_2")
            stats = await store.info("commandstats")

    assert [line["event"] for line in logs].count("stream_gone") == 1
    assert len(logs) < 10
    assert stats["cmdstat_xreadgroup"]["calls"] < 10
    assert await store.hexists(KEYS.streams(TAG), TYPE)


# --- order


async def test_the_head_of_a_lane_waits_where_it_stands(
    server: Server, store: Redis, handled: Handled
) -> None:
    """Also for days: what is behind it waits for it, and must not find it gone."""

    @handled.worker.on("unipile:*", order_by="account")
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.id == "evt_waits" and event.attempt == 1:
            raise RetryLater(timedelta(days=3), IN_MESSAGE)

    await append_in_lane(store, ["evt_waits", "evt_behind"], "one")
    async with running(handled.worker, server.url):
        await handled.until("evt_waits")
        await append_in_lane(store, ["evt_other"], "other")
        await handled.until("evt_other")
        parked = await due_times(store)

    assert "evt_behind" not in handled.ids
    assert len(parked) == 1
    assert await waiting_long(store) == []


async def test_what_an_ordered_handler_is_given_again_has_no_order(
    server: Server, store: Redis, handled: Handled
) -> None:
    """It is read beside the ordered streams, and tried again like any other."""

    @handled.worker.on("unipile:*", order_by="account", retry=Retry(base_seconds=0.01))
    async def handle(event: Event) -> None:
        handled.events.append(event)
        if event.id == "evt_again" and event.attempt < 3:
            raise ValueError

    await append_in_lane(store, ["evt_again"], "one")
    ((_, fields),) = await store.xrange(STREAM.key)  # type: ignore[misc]
    await store.xadd(make_again().key, fields)  # type: ignore[arg-type]
    await store.xtrim(STREAM.key, maxlen=0, approximate=False)
    async with running(handled.worker, server.url):
        await handled.until_runs(3)
        await append_in_lane(store, ["evt_next"], "one")
        await handled.until("evt_next")
        await until_tidy(store)

    assert [event.attempt for event in handled.events] == [1, 2, 3, 1]
    assert (await due_times(store), await histories(store)) == ({}, {})


async def append_in_lane(store: Redis, event_ids: list[str], account: str) -> None:
    """Append events of one account."""
    await store.sadd(KEYS.tags, TAG)
    appender = Appender(store, KEYS)
    for event_id in event_ids:
        event = make_event(id=event_id, type=TYPE, account=account)
        await appender.append(replace(make_identified(event_id), event=event))
    await appender.stop()
