"""How far a group has come, looked up by one of its processes."""

from types import SimpleNamespace

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.consumer import Consumer
from consumers.dispatch import Routes
from consumers.metrics import families
from consumers.metrics import lag as module
from consumers.metrics.lag import Lag
from consumers.rooms import House
from relay.contract.connect import NoPermissionError
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    append_events,
    full,
    make_handler,
    make_stream,
    numbered,
    read_as,
    unless_uncounted,
    us,
)
from tests.consumers.metrics.counting import samples

pytestmark = pytest.mark.redis

OF_HANDLER = '{endpoint="unipile",handler="do_nothing"}'
OF_ENDPOINT = '{endpoint="unipile"}'
TYPES = ("message.new", "message.gone", "message.read")


def lag_of(us: Consumer, *streams: Stream) -> Lag:
    """Make what looks for a worker with one handler, which reads these streams."""
    routes = Routes(House([make_handler(pattern="unipile:*")]).rooms)
    for stream in streams:
        routes.add(stream)
    return Lag(us, routes=routes, tags=lambda: [TAG])


async def test_streams_of_a_handler_are_taken_together(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unread events are added up, of the ages the greatest is taken; page by page."""
    monkeypatch.setattr(module, "PAGE", 2)
    for event_type in TYPES:
        await append_events(store, [f"first of {event_type}"], event_type)
        await read_as(store, "us", make_stream(event_type))
    await append_events(store, numbered(3, "a"), TYPES[0])
    await append_events(store, numbered(2, "b"), TYPES[2])
    lag = lag_of(us(store), *map(make_stream, TYPES))
    await lag.look()
    found = samples(lag.tally())

    assert found.get(f"unread{OF_HANDLER}") == await unless_uncounted(store, 5)
    assert 0 < found[f"oldest_seconds{OF_HANDLER}"] < 60


async def test_the_oldest_that_is_not_settled_may_be_pending_or_unread(store: Redis) -> None:
    """What is settled has no age; what was read and hangs is older than what comes after."""
    ages = []
    for begins in (1_000_000, 500_000, 0):
        await store.flushall()
        await store.xadd(make_stream().key, {"a": "b"}, id=f"{await past(store, begins)}-1")
        await store.xgroup_create(make_stream().key, GROUP, id="0")
        if begins == 500_000:
            await read_as(store, "us")
            await store.xadd(make_stream().key, {"a": "b"})
        if begins == 0:
            (entry_id,) = await read_as(store, "us")
            await store.xack(make_stream().key, GROUP, entry_id)
        lag = lag_of(us(store), make_stream())
        await lag.look()
        ages.append(samples(lag.tally()).get(f"oldest_seconds{OF_HANDLER}", 0.0) // 10)

    assert ages == [100.0, 50.0, 0.0]


async def past(store: Redis, ms: int) -> int:
    """Give the store's time so long ago, in ms."""
    seconds, microseconds = await store.time()
    return int(1000 * seconds + microseconds // 1000) - ms


async def test_what_waits_and_what_was_set_aside_is_counted(store: Redis) -> None:
    """Both where they stand and elsewhere."""
    await store.zadd(KEYS.park(TAG, GROUP), {"one": 1, "two": 2})
    await store.xadd(KEYS.later(TAG, GROUP), {"a": "b"})
    await store.xadd(KEYS.dead(TAG, GROUP), {"a": "b"})
    lag = lag_of(us(store))
    await lag.look()

    assert samples(lag.tally()) == {f"parked{OF_ENDPOINT}": 3.0, f"dead_letters{OF_ENDPOINT}": 1.0}


async def test_one_process_of_a_group_looks_at_a_time(store: Redis) -> None:
    """What it costs the store does not grow with the processes; the next one follows at once."""
    await store.xadd(KEYS.dead(TAG, GROUP), {"a": "b"})
    one, other = lag_of(us(store, "one")), lag_of(us(store, "other"))
    shown = []
    for looks in (one, other, one):
        await looks.look()
        shown.append((bool(one.tally().gauges), bool(other.tally().gauges)))
    await one.give_back()
    await other.look()
    await one.look()

    assert shown == [(True, False)] * 3
    assert not one.tally().gauges
    assert other.tally().gauges


async def test_a_key_of_a_wrong_type_hides_nothing_else(store: Redis) -> None:
    """Neither a stream that is none, nor a book."""
    await append_events(store, numbered(2))
    await store.xgroup_create(make_stream().key, GROUP, id="0")
    await store.set(make_stream("message.gone").key, "x", ex=60)
    await store.set(KEYS.park(TAG, GROUP), "x", ex=60)
    await store.xadd(KEYS.dead(TAG, GROUP), {"a": "b"})
    lag = lag_of(us(store), make_stream("message.gone"), make_stream())
    await lag.look()
    found = samples(lag.tally())

    assert found.get(f"unread{OF_HANDLER}") == await unless_uncounted(store, 2)
    assert found[f"dead_letters{OF_ENDPOINT}"] == 1.0


async def test_what_the_store_refuses_is_said_once(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user without XPENDING sees the rest all the same."""

    async def many(*_: object) -> list[object]:
        return [NoPermissionError("no permissions"), [b"2", b"3000"]]

    monkeypatch.setattr(module, "_lag", SimpleNamespace(many=many))
    lag = lag_of(us(store), make_stream("message.gone"), make_stream())
    with capture_logs() as lines:
        await lag.look()
        await lag.look()

    assert [(line["event"], line["duty"]) for line in lines] == [("skipped", "metrics")]
    assert samples(lag.tally()) == {f"unread{OF_HANDLER}": 2.0, f"oldest_seconds{OF_HANDLER}": 3.0}


async def test_it_is_looked_when_the_store_is_full(store: Redis) -> None:
    """Just then somebody wants to know what waits."""
    await append_events(store, numbered(2))
    await store.xgroup_create(make_stream().key, GROUP, id="0")
    lag = lag_of(us(store), make_stream())
    async with full(store):
        await lag.look()
    unread = await unless_uncounted(store, 2)

    assert families.OLDEST.name in [name for name, *_ in lag.tally().gauges]
    assert samples(lag.tally()).get(f"unread{OF_HANDLER}") == unread


async def test_a_stream_or_group_that_is_gone_is_left_out(store: Redis) -> None:
    """The reader puts that right."""
    await append_events(store, ["evt_1"])
    lag = lag_of(us(store), make_stream(), make_stream("message.gone"))
    await lag.look()

    assert samples(lag.tally()) == {}
