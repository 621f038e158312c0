"""A stream near its cap is trimmed at once, to what its groups have settled and no further."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.pressure import PRESSED_SECONDS, Pressure
from consumers.trim import Trimmer
from relay.append import Appender, Limits
from relay.caps import StreamCaps
from relay.caps.report import CapReport
from relay.contract.caps import Cap, Caps
from relay.contract.duties import Duties
from relay.contract.errors import StreamFull
from relay.contract.patterns import parse_pattern
from relay.hold import Holder
from relay.metrics import Metrics
from tests.consumers.making import GROUP, KEYS, TAG, make_stream, us
from tests.consumers.test_trim import DAY_MS, NODE, left, read, stored
from tests.making import make_identified
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()


def trimmer_for(store: Redis, cap: Cap | None = None, **by_type: Cap) -> Trimmer:
    """Make a trimmer that knows a cap."""
    caps = {f"*:{name}": each for name, each in by_type.items()}
    if cap is not None:
        caps["unipile:message.*"] = cap
    return Trimmer(
        us(store),
        retention_seconds=7 * 86_400,
        tags=lambda: (TAG,),
        may_take_over=lambda: True,
        caps=Caps(caps),
    )


@pytest.mark.parametrize(("cap", "goes"), [(100, False), (90, True)])
async def test_what_is_settled_goes_at_seven_tenths_of_a_cap(
    store: Redis, cap: int, *, goes: bool
) -> None:
    """However young it is, and to the entry: such a stream may be less than a node long."""
    entry_ids = await stored(store, 65)
    await read(store, 40)
    trimmer = trimmer_for(store, Cap(max_entries=cap))
    removed = await trimmer.relieve()

    assert removed == (40 if goes else 0)
    assert (trimmer._pressure.seconds_left < PRESSED_SECONDS) is goes, "its pace is not known"
    assert await left(store) == entry_ids[removed:]


async def test_bytes_count_like_entries(store: Redis) -> None:
    """By what MEMORY USAGE says."""
    entry_ids = await stored(store, 3 * NODE)
    await read(store, 2 * NODE)
    size = await store.memory_usage(STREAM.key) or 0
    before = await trimmer_for(store, Cap(max_bytes=2 * size)).relieve()
    removed = await trimmer_for(store, Cap(max_bytes=int(1.2 * size))).relieve()

    assert (before, removed) == (0, 2 * NODE)
    assert await left(store) == entry_ids[2 * NODE :]


async def test_what_is_not_settled_stays_at_a_cap(store: Redis) -> None:
    """Unread, pending, or of a configured group that is yet to come."""
    entry_ids = await stored(store, 50)
    await read(store, 10)
    await read(store, 10, acked=False)
    trimmer = trimmer_for(store, Cap(max_entries=50))
    removed = await trimmer.relieve()
    await Holder(store, KEYS, {"audit": [parse_pattern("*:*")]}).confirm(TAG)
    await store.xack(STREAM.key, GROUP, *entry_ids[10:20])
    held = await trimmer.relieve()

    assert (removed, held) == (10, 0)
    assert await left(store) == entry_ids[10:]


async def test_what_nobody_holds_goes_oldest_first_and_no_further_than_needed(
    store: Redis,
) -> None:
    """The last hour stays, whatever the cap."""
    for age_ms in (6 * DAY_MS, 3 * DAY_MS, DAY_MS // 2):
        await stored(store, NODE, age_ms=age_ms)
    needed = await trimmer_for(store, Cap(max_entries=4 * NODE)).relieve()
    more = await trimmer_for(store, Cap(max_entries=2 * NODE)).relieve()
    await stored(store, NODE)
    recent = await trimmer_for(store, Cap(max_entries=NODE)).relieve()

    assert (needed, more, recent) == (NODE, NODE, NODE)
    assert len(await left(store)) == NODE


async def test_a_stream_without_a_cap_is_left_alone(store: Redis) -> None:
    """Another one's being full is no reason."""
    await stored(store, 50)
    await stored(store, 50, event_type="other")
    await read(store, 50)
    await store.xgroup_create(KEYS.stream(TAG, "other"), GROUP, id="$")
    removed = await trimmer_for(store, other=Cap(max_entries=50)).relieve()

    assert removed == 50
    assert len(await left(store)) == 50


async def test_one_process_at_a_time_relieves_a_tag(store: Redis) -> None:
    """The same lease as for all trimming."""
    await stored(store, 50)
    await read(store, 50)
    trimmer = trimmer_for(store, Cap(max_entries=50))
    await store.set(KEYS.lease_trim(TAG), "other", px=60_000)
    first = await trimmer.relieve()
    await store.delete(KEYS.lease_trim(TAG))

    assert (first, await trimmer.relieve()) == (0, 50)


async def test_what_stands_in_a_streams_place_is_passed_over(store: Redis) -> None:
    """The other streams of the tag are relieved."""
    await stored(store, 50)
    await read(store, 50)
    await store.hset(KEYS.streams(TAG), "message.old", "2 0-1")
    await store.set(KEYS.stream(TAG, "message.old"), "1", px=60_000)

    assert await trimmer_for(store, Cap(max_entries=50)).relieve() == 50


async def test_nothing_is_asked_where_no_stream_can_be_near_its_cap(store: Redis) -> None:
    """No cap in entries, and a store that is less than any in bytes."""
    await stored(store, 1)
    pressure = Pressure(us(store), Caps({"*:*": Cap(max_bytes=10**12)}))
    memory = {"maxmemory": 10**13, "used_memory": 10**6}
    await store.config_resetstat()
    found = await pressure.look((TAG,), memory)
    asked = set(await store.info("commandstats"))

    assert found == []
    assert {name for name in asked if "hkeys" in name or "memory" in name} == set()


async def test_a_stream_that_fills_up_quickly_is_looked_at_oftener(store: Redis) -> None:
    """And one near its cap twice a second, since it may be settled at any time."""
    await stored(store, 1)
    pressure = Pressure(us(store), Caps({"*:*": Cap(max_entries=1000)}))
    memory = await store.info("memory")
    await pressure.look((TAG,), memory)
    idle = pressure.seconds_left
    for number in range(500):
        await store.xadd(STREAM.key, {"n": number})
    await pressure.look((TAG,), memory)
    filling = pressure.seconds_left
    for number in range(300):
        await store.xadd(STREAM.key, {"n": number})
    await pressure.look((TAG,), memory)
    await pressure.look((TAG,), memory)

    assert idle == float("inf")
    assert filling < 2.0
    assert pressure.seconds_left <= 0.5


async def test_a_worker_that_keeps_up_lets_a_small_cap_take_events_for_ever(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty times the cap goes through it, and what was refused meanwhile gets in soon."""
    cap = Cap(max_entries=100)
    trimmer = trimmer_for(store, cap)
    report = CapReport(KEYS, Metrics())
    limits = StreamCaps(
        store, KEYS, tags=[TAG], caps=Caps({"unipile:message.*": cap}), report=report
    )
    appender = Appender(store, KEYS, limits=Limits(streams=limits))
    await store.xgroup_create(STREAM.key, GROUP, id="0", mkstream=True)
    duties = Duties()
    duties.start("handle", lambda: _settle_all(store))
    monkeypatch.setattr("consumers.trim.WATCH_SECONDS", 0.05)
    duties.start("trim", trimmer.run)
    longest = 0

    async def gets_in(number: int) -> int:
        for refusals in range(10_000):
            try:
                await appender.append(make_identified(f"evt_{number}"))
            except StreamFull:
                longest_xlen = await store.xlen(STREAM.key)
                assert longest_xlen <= 100
                await asyncio.sleep(0.01)
            else:
                return refusals
        raise AssertionError

    async with asyncio.timeout(60):
        for start in range(0, 2000, 50):
            refused = await asyncio.gather(*(gets_in(n) for n in range(start, start + 50)))
            longest = max(longest, *refused)
    await duties.stop()
    await appender.stop()

    assert longest < 200, "none was refused for two seconds"
    assert await store.xlen(STREAM.key) <= 100


async def _settle_all(store: Redis) -> None:
    """Read and settle, as a group does that keeps up."""
    while True:
        reply: Any = await store.xreadgroup(GROUP, "worker", {STREAM.key: ">"}, count=100)
        for _, entries in reply:
            await store.xack(STREAM.key, GROUP, *(entry_id for entry_id, _ in entries))
        await asyncio.sleep(0.005)


async def test_what_capped_streams_lose_is_counted_and_said(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted at once, and one line for half a minute of it."""
    monkeypatch.setattr("consumers.trim.WATCH_SECONDS", 0.01)
    monkeypatch.setattr("consumers.trim.TRIM_EVERY_SECONDS", 0.1)
    await stored(store, 50)
    await read(store, 50)
    trimmer = trimmer_for(store, Cap(max_entries=50))
    duties = Duties()
    with capture_logs() as logs:
        duties.start("trim", trimmer.run)
        await wait_until(lambda: bool(logs), description="it is said")
        await duties.stop()
    counters = trimmer._us.record.tally(GROUP).counters

    assert [(one["event"], one["entries"]) for one in logs] == [("capped_streams_trimmed", 50)]
    assert counters == [("relay_worker_trimmed", (GROUP, TAG), 50.0)]
