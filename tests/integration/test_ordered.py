"""Ordered streams and a real server: what has a key in common is handled one after the other."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from consumers import Event, GiveUp, Retry, Worker, ahead, rooms
from consumers.ahead import ReadAhead
from consumers.order.key import lane_of
from relay.contract.connect import text_of
from tests.canaries import IN_MESSAGE
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    consumers_of,
    dead_letters,
    fields_for,
    make_entry,
    make_stream,
    pending,
    read_as,
)
from tests.consumers.working import running
from tests.integration.workers import Handled, settled
from tests.proxy import proxy_to
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
QUICK = Retry(attempts=50, base_seconds=0.02, cap_seconds=0.02)


def key_of(event: Event) -> str:
    """Give the key that an event's id begins with."""
    return event.id.partition("_")[0]


def keyed(keys: int, each: int) -> list[str]:
    """Name events of several keys, the keys in turn."""
    return [f"k{key}_{number}" for number in range(each) for key in range(keys)]


def by_key(ids: list[str]) -> dict[str, list[int]]:
    """Give the numbers of each key's events, in the order given."""
    found: dict[str, list[int]] = defaultdict(list)
    for one in ids:
        key, _, number = one.partition("_")
        found[key].append(int(number))
    return found


class Ordered(Handled):
    """Handles in order, some keys failing at first.

    Args:
        worker: Where the handler is declared.
    """

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self.failures: dict[str, int] = {}

    def declare(self, **options: Any) -> None:
        """Declare the handler."""
        given: dict[str, Any] = {"retry": QUICK, "order_by": key_of} | options
        self.worker.on(f"{TAG}:*", **given)(self.handle)

    async def until_more(self, count: int) -> None:
        """Wait until so many more events are handled, or nearly all."""
        enough = min(len(self.events) + count, 499)
        await wait_until(lambda: len(self.events) > enough, description="some are handled")

    async def handle(self, event: Event) -> None:
        """Fail as often as is wanted of the event, then take note of it."""
        await asyncio.sleep(0)
        if self.failures.get(event.id, 0) >= event.attempt:
            raise ValueError(event.id)
        self.events.append(event)


@pytest.fixture
def ordered() -> Ordered:
    """An empty worker, and what its ordered handler has done."""
    return Ordered(Worker(group=GROUP))


async def test_each_keys_events_are_handled_in_their_order(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """Also where some fail several times, and with several at once."""
    ordered.declare()
    ordered.failures = {f"k{key}_{number}": 2 for key in range(3) for number in (0, 7, 8, 19)}
    ids = keyed(20, 20)
    await append_events(store, ids)
    async with running(ordered.worker, server.url):
        await ordered.until(*ids)
        await settled(store)

    assert by_key(ordered.ids) == {f"k{key}": list(range(20)) for key in range(20)}
    assert await store.exists(KEYS.lane(TAG, GROUP, TYPE), KEYS.park(TAG, GROUP)) == 0


async def test_a_quick_ordered_handler_has_more_read_ahead_than_a_slow_one(
    server: Server, store: Redis, ordered: Ordered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is declared, so its speed decides, as where there is no order."""
    seen: list[int] = []

    class Watched(ReadAhead):
        def adapt(self) -> None:
            super().adapt()
            seen.append(self.entries)

    monkeypatch.setattr(ahead, "LEAST", 1)
    monkeypatch.setattr(ahead, "MOMENT_SECONDS", 0.01)
    monkeypatch.setattr(rooms, "ReadAhead", Watched)
    ordered.declare()
    ids = keyed(20, 20)
    await append_events(store, ids)
    async with running(ordered.worker, server.url):
        await ordered.until(*ids)

    assert max(seen) > 1
    assert by_key(ordered.ids) == {f"k{key}": list(range(20)) for key in range(20)}


async def test_what_is_behind_a_failing_event_waits_in_the_store(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """It holds no place, so the other keys go on; and its order is kept in the end."""
    ordered.declare(retry=Retry(attempts=1000, base_seconds=0.5, cap_seconds=0.5), read_ahead=10)
    ordered.failures = {"k0_0": 999}
    ids = keyed(2, 300)
    await append_events(store, ids)
    async with running(ordered.worker, server.url):
        await ordered.until(*(one for one in ids if one.startswith("k1")))

        async def all_wait() -> bool:
            return int(await store.zcard(KEYS.lane(TAG, GROUP, TYPE))) == 300

        # While it is tried again, it holds a place or two.
        await wait_until(all_wait, description="all of the key wait")
        held_up = [one for one in ordered.ids if one.startswith("k0")]
        ordered.failures.clear()
        await ordered.until(*ids)
        await settled(store)

    assert held_up == []
    assert by_key(ordered.ids)["k0"] == list(range(300))


async def test_a_dead_letter_lets_the_next_of_its_key_go_on(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """The head of a lane is set aside; what was behind it is handled."""

    async def handle(event: Event) -> None:
        if event.id == "k0_1":
            raise GiveUp(IN_MESSAGE)
        ordered.events.append(event)

    ordered.worker.on(f"{TAG}:*", order_by=key_of)(handle)
    await append_events(store, keyed(2, 5))
    async with running(ordered.worker, server.url):
        await ordered.until_runs(9)
        await settled(store)

    assert by_key(ordered.ids) == {"k0": [0, 2, 3, 4], "k1": [0, 1, 2, 3, 4]}
    assert [letter[b"id"] for letter in await dead_letters(store)] == [b"k0_1"]


async def test_a_slow_key_does_not_hold_the_places_of_others(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """While one event of it runs, those behind it make room."""
    go_on = asyncio.Event()

    async def handle(event: Event) -> None:
        if event.id == "k0_0":
            await go_on.wait()
        ordered.events.append(event)

    ordered.worker.on(f"{TAG}:*", order_by=key_of, concurrency=2, read_ahead=4)(handle)
    await append_events(store, [f"k0_{number}" for number in range(100)])
    await append_events(store, ["k1_0", "k1_1"])
    async with running(ordered.worker, server.url):
        await ordered.until("k1_0", "k1_1")
        go_on.set()
        await ordered.until_runs(102)
        await settled(store)

    assert by_key(ordered.ids)["k0"] == list(range(100))


async def test_order_is_kept_where_replies_are_lost(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """Of scripts that read, park, and move entries to lanes and back: what they did is found."""
    ordered.declare()
    ordered.failures = {f"k{key}_{number}": 1 for key in range(20) for number in (2, 9)}
    ids = keyed(20, 15)
    async with proxy_to(server.port) as proxy, running(ordered.worker, proxy.url):
        for start in range(0, len(ids), 60):
            proxy.lose_replies_to(b"EVALSHA", 2)
            await append_events(store, ids[start : start + 60])
            await ordered.until(*ids[: start + 60])
        await settled(store)

    assert proxy.lost >= 5
    assert by_key(list(dict.fromkeys(ordered.ids))) == {
        f"k{key}": list(range(15)) for key in range(20)
    }


async def test_a_second_worker_goes_on_where_the_first_has_stopped(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """What was read, laned or parked is handed over in order, and no name stays behind."""
    ordered.declare(retry=Retry(attempts=99, base_seconds=0.2, cap_seconds=0.2, jitter=0))
    ordered.failures = {f"k{key}_3": 2 for key in range(5)}
    ids = keyed(10, 50)
    await append_events(store, ids)
    for _ in range(4):
        async with running(ordered.worker, server.url):
            await ordered.until_more(20)
    async with running(ordered.worker, server.url):
        await ordered.until(*ids)
        await settled(store)

    firsts = by_key(list(dict.fromkeys(ordered.ids)))
    assert firsts == {f"k{key}": list(range(50)) for key in range(10)}
    assert await consumers_of(store) <= {"@left", "@lane", "@park"}


async def test_one_process_owns_a_stream_and_another_waits(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """Two in the same group: only one reads, and when it leaves the other does."""
    ordered.declare()
    await append_events(store, keyed(5, 5))
    second = Ordered(Worker(group=GROUP))
    second.declare()
    async with running(second.worker, server.url):
        await second.until_runs(25)
        async with running(ordered.worker, server.url) as process:
            await append_events(store, [f"k1_{number}" for number in range(5, 30)])
            await second.until_runs(50)
            owner = await store.hget(KEYS.owner(TAG, GROUP, TYPE), "consumer")
            assert text_of(owner or b"") != process.consumer
    fence = int(await store.hget(KEYS.owner(TAG, GROUP, TYPE), "fence") or 0)
    async with running(ordered.worker, server.url):
        await append_events(store, ["k1_30"])
        await ordered.until("k1_30")
        higher = int(await store.hget(KEYS.owner(TAG, GROUP, TYPE), "fence") or 0)

    assert ordered.ids == ["k1_30"]
    assert higher > fence > 0


async def test_a_group_that_vanishes_is_made_again_and_read_from_the_start(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """XGROUP DESTROY while an owner waits."""
    ordered.declare()
    await append_events(store, keyed(2, 3))
    async with running(ordered.worker, server.url):
        await ordered.until_runs(6)
        await settled(store)
        await store.xgroup_destroy(STREAM.key, GROUP)
        await append_events(store, ["k0_3"])
        await ordered.until("k0_3")
        await settled(store)

    assert by_key(ordered.ids)["k0"] in ([0, 1, 2, 0, 1, 2, 3], [0, 1, 2, 3])


async def test_what_a_dead_owner_was_handling_comes_before_what_waits_behind_it(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """It had taken the first of a lane out of the store; the others still wait there."""
    ordered.declare()
    ids = [f"k{key}_{number}" for key in range(8) for number in range(20)]
    await append_events(store, ids)
    entry_ids = await read_as(store, "dead")
    lane_of_key = lane_of(key_of)
    for event_id, entry_id in zip(ids, entry_ids, strict=True):
        if not event_id.endswith("_0"):
            await store.xclaim(STREAM.key, GROUP, "@lane", 0, [entry_id], justid=True)
            entry = make_entry(entry_id, fields=fields_for(event_id))
            entry = replace(entry, lane=lane_of_key(entry_id, entry.fields))
            await store.zadd(KEYS.lane(TAG, GROUP, TYPE), {entry.lane_member: 0})
    async with running(ordered.worker, server.url):
        await ordered.until(*ids)
        await settled(store)

    assert by_key(ordered.ids) == {f"k{key}": list(range(20)) for key in range(8)}


async def test_entries_whose_lanes_were_lost_are_handled(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """The book of lanes is deleted while events wait in it."""
    ordered.declare(retry=Retry(attempts=9, base_seconds=600, jitter=0))
    ordered.failures = {"k0_0": 1}
    await append_events(store, keyed(1, 50))
    async with running(ordered.worker, server.url):

        async def all_wait() -> bool:
            waiting = await store.zcard(KEYS.lane(TAG, GROUP, TYPE)) == 50
            return waiting and set((await pending(store)).values()) <= {"@park", "@lane"}

        await wait_until(all_wait, description="all wait in the store")
    await store.delete(KEYS.lane(TAG, GROUP, TYPE))
    async with running(ordered.worker, server.url):
        await ordered.until_runs(50)
        await settled(store)

    assert by_key(ordered.ids)["k0"] == list(range(50))


async def test_a_group_that_is_moved_on_by_hand_is_waited_for_without_haste(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """XGROUP SETID over entries that were not read: the owner must not ask for them on and on."""
    ordered.declare()
    await append_events(store, ["k0_0"])

    async def both_wait() -> bool:
        # For news, and for events.
        return int((await store.info("clients"))["blocked_clients"]) == 2

    async with running(ordered.worker, server.url):
        await ordered.until("k0_0")
        await wait_until(both_wait, description="the owner waits")
        pipeline = store.pipeline(transaction=True)
        pipeline.xadd(STREAM.key, fields_for("k0_1"))  # type: ignore[arg-type]
        pipeline.xgroup_setid(STREAM.key, GROUP, "$")
        await pipeline.execute()
        await wait_until(both_wait, description="the owner waits again")
        await append_events(store, ["k0_2"])
        await ordered.until("k0_2")

    assert ordered.ids == ["k0_0", "k0_2"]


async def test_a_long_handler_does_not_stop_the_other_keys_for_a_process_that_comes_later(
    server: Server, store: Redis, ordered: Ordered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given its share of the streams where one can be spared within a moment, else later."""
    monkeypatch.setattr("consumers.heartbeat.BEAT_SECONDS", 0.05)
    monkeypatch.setattr("consumers.order.holdings.HAND_OVER_SECONDS", 0.1)
    monkeypatch.setattr("consumers.order.holdings.LOOK_SECONDS", 0.1)
    gate = asyncio.Event()

    async def handle(event: Event) -> None:
        if event.id == "long_0":
            await gate.wait()
        ordered.events.append(event)

    ordered.worker.on(f"{TAG}:*", order_by=key_of)(handle)
    other = Ordered(Worker(group=GROUP))
    other.declare()
    for event_type in ("a", "b"):
        await append_events(store, [f"{event_type}_0"], event_type)
    async with running(ordered.worker, server.url) as process:
        await ordered.until("a_0", "b_0")
        await append_events(store, ["long_0"], "a")
        owned = process._ordered._holdings.owned[KEYS.stream(TAG, "a")]
        async with running(other.worker, server.url):
            await wait_until(lambda: owned.grant.wanted, description="the other wants the stream")
            await append_events(store, ["short_0"], "a")
            await ordered.until("short_0")
            gate.set()
            await ordered.until("long_0")

    assert "short_0" not in other.ids


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have owners look for what is left over within moments."""
    monkeypatch.setattr("consumers.order.reader.COMPARE_SECONDS", 0.1)
    monkeypatch.setattr("consumers.heartbeat.BEAT_SECONDS", 0.1)
    monkeypatch.setattr("consumers.heartbeat.DEAD_SECONDS", 0.5)


@pytest.mark.usefixtures("compared")
async def test_lanes_that_are_lost_under_their_owner_are_found_again(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """The book is deleted, and the owner lives on: nobody inherits what waits."""
    ordered.declare(retry=Retry(attempts=9, base_seconds=2, jitter=0))
    ordered.failures = {"k0_0": 1}
    await append_events(store, keyed(1, 50))
    async with running(ordered.worker, server.url):

        async def all_wait() -> bool:
            waiting = await store.zcard(KEYS.lane(TAG, GROUP, TYPE)) == 50
            return waiting and set((await pending(store)).values()) <= {"@park", "@lane"}

        await wait_until(all_wait, description="all wait in the store")
        await store.delete(KEYS.lane(TAG, GROUP, TYPE))
        await ordered.until_runs(50)
        await settled(store)

    assert by_key(ordered.ids)["k0"] == list(range(50))
    assert await store.exists(KEYS.lane(TAG, GROUP, TYPE), KEYS.park(TAG, GROUP)) == 0


@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize("consumer", ["dead", "@park"])
async def test_what_a_worker_without_order_leaves_behind_comes_to_the_owner(
    server: Server, store: Redis, ordered: Ordered, consumer: str
) -> None:
    """In a rolling deploy the old version reads beside the owner; it dies, or parks what fails."""
    ordered.declare()
    await append_events(store, ["k0_0"])
    async with running(ordered.worker, server.url):
        await ordered.until("k0_0")
        async with store.pipeline(transaction=True) as at_once:
            at_once.xadd(STREAM.key, fields_for("k0_1"))  # type: ignore[arg-type]
            at_once.xreadgroup(GROUP, consumer, {STREAM.key: ">"})
            await at_once.execute()
        await ordered.until("k0_1")
        await settled(store)

    assert ordered.ids == ["k0_0", "k0_1"]


@pytest.mark.usefixtures("compared")
async def test_what_a_living_process_holds_is_left_to_it(
    server: Server, store: Redis, ordered: Ordered
) -> None:
    """A worker of the old version may be busy with it."""
    ordered.declare()
    await append_events(store, ["k0_0"])
    async with running(ordered.worker, server.url):
        await ordered.until("k0_0")
        await store.set(KEYS.alive(GROUP, "old"), "1", px=60_000)
        for consumer, event_id in (("old", "k0_1"), ("dead", "k1_0")):
            async with store.pipeline(transaction=True) as at_once:
                at_once.xadd(STREAM.key, fields_for(event_id))  # type: ignore[arg-type]
                at_once.xreadgroup(GROUP, consumer, {STREAM.key: ">"})
                await at_once.execute()
        await ordered.until("k1_0")

        async def only_the_old_holds() -> bool:
            return set((await pending(store)).values()) == {"old"}

        await wait_until(only_the_old_holds, description="what was taken over is settled")

    assert "k0_1" not in ordered.ids
