"""The whole body of a delivery that was split lies beside its entries, and never without them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.append import Limits
from relay.append.script import call_arguments, pack
from relay.contract.connect import connect
from relay.contract.errors import StoreFull, StoreUnavailable, StreamFull
from relay.contract.event import Appended, Batch, Duplicate, IdentifiedEvent
from relay.contract.wire import Command, Wire
from tests.making import make_identified
from tests.relay.appending import KEYS, Bench, entry_id, has_run, make_bench
from tests.relay.test_append_caps import Fixed
from tests.servers import Server

WHOLE = Batch(id="sha256:ab", body=b"\x1f\x8b\x00\xff\r\n", keep_seconds=3600)
KEY = KEYS.batch("unipile", WHOLE.id)


def bringing(event: IdentifiedEvent, batch: Batch = WHOLE) -> IdentifiedEvent:
    """Have an event bring a whole body."""
    return msgspec.structs.replace(event, batch=batch)


async def kept(bench: Bench, key: str = KEY) -> bytes | None:
    """Give the whole body that lies under a key."""
    body: Any = await bench.client.get(key)
    return None if body is None else bytes(body)


async def test_a_whole_body_is_kept_beside_its_entries(bench: Bench) -> None:
    """Byte for byte, for as long as was said; the entries are what they are without it."""
    first, second = make_identified("evt_1"), make_identified("evt_2")
    results = await bench.append(bringing(first), second)
    left_ms = await bench.client.pttl(KEY)

    assert [type(result) for result in results] == [Appended, Appended]
    assert await kept(bench) == WHOLE.body
    assert 3_500_000 < left_ms <= 3_600_000
    assert list((await bench.events()).values()) == [first.event, second.event]


async def test_each_delivery_and_each_tag_has_its_own(bench: Bench) -> None:
    """Also where they share a flush, and the one that brings it is not the first."""
    other = Batch(id="sha256:cd", body=b"other", keep_seconds=60)
    await bench.append(
        make_identified("evt_0"),
        bringing(make_identified("evt_1")),
        make_identified("evt_2", "email.new"),
        bringing(make_identified("evt_3", "email.new"), other),
        bringing(make_identified("evt_1", tag="github"), other),
    )

    assert await kept(bench) == WHOLE.body
    assert await kept(bench, KEYS.batch("unipile", other.id)) == other.body
    assert await kept(bench, KEYS.batch("github", other.id)) == other.body
    assert bench.heard.flushes == [5]


async def test_more_bodies_than_small_numbers_can_tell_apart(bench: Bench) -> None:
    """As many as events go together."""
    batches = [Batch(id=f"sha256:{n}", body=b"%d" % n, keep_seconds=60) for n in range(128)]
    await bench.append(
        *(bringing(make_identified(f"evt_{n}"), batch) for n, batch in enumerate(batches))
    )
    found = [await kept(bench, KEYS.batch("unipile", batch.id)) for batch in batches]

    assert bench.heard.flushes == [128]
    assert found == [batch.body for batch in batches]


@pytest.mark.parametrize("data", [b"same", b"another"])
async def test_a_repeat_leaves_a_body_as_it_is(bench: Bench, data: bytes) -> None:
    """It is not written again, nor kept any longer."""
    (first,) = await bench.append(bringing(make_identified("evt_1", data=b"same")))
    await bench.client.set(KEY, b"as it was", ex=60)
    (repeat,) = await bench.append(bringing(make_identified("evt_1", data=data)))
    left = await bench.client.ttl(KEY)

    assert repeat == Duplicate(entry_id(first), changed_body=data != b"same")
    assert await kept(bench) == b"as it was"
    assert left <= 60


@pytest.mark.parametrize("data", [b"same", b"another"])
async def test_a_repeat_brings_a_body_that_is_missing(bench: Bench, data: bytes) -> None:
    """A delivery whose first try broke off has its body after the second, of known events too."""
    (first,) = await bench.append(make_identified("evt_1", data=b"same"))
    (repeat,) = await bench.append(bringing(make_identified("evt_1", data=data)))

    assert repeat == Duplicate(entry_id(first), changed_body=data != b"same")
    assert await kept(bench) == WHOLE.body
    assert len(await bench.events()) == 1


@pytest.mark.parametrize("flushes", [0, 1, 2])
@pytest.mark.parametrize("runs", [True, False], ids=["reply lost", "not sent"])
async def test_a_delivery_that_breaks_off_is_whole_after_its_retry(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, flushes: int, *, runs: bool
) -> None:
    """Wherever that was: each event has one entry, and the body is there."""
    events = [make_identified(f"evt_{n}", window_seconds=600) for n in range(300)]
    events[0] = bringing(events[0])
    exchange, whole_flushes = Wire.exchange, 0

    async def break_off(wire: Wire, commands: Sequence[Command]) -> list[Any]:
        nonlocal whole_flushes
        replies = await exchange(wire, commands) if runs or whole_flushes < flushes else []
        if whole_flushes < flushes or (runs and not has_run(replies)):
            whole_flushes += has_run(replies)
            return replies
        bench.give_up()
        raise RedisConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(Wire, "exchange", break_off)
        results = await bench.append(*events)
        await bench.appender.stop()
    again = await bench.append(*events)
    stored = [event.id for event in (await bench.events()).values()]

    assert {type(result) for result in results[128 * flushes :]} == {StoreUnavailable}
    assert {type(result) for result in again} <= {Appended, Duplicate}
    assert stored == [event.event.id for event in events]
    assert await kept(bench) == WHOLE.body


async def test_two_deliveries_of_one_body_in_a_flush_keep_it_once(bench: Bench) -> None:
    """Each event has one entry, and the body is there."""
    events = [bringing(make_identified("evt_1")), make_identified("evt_2")] * 2
    results = await bench.append(*events)

    assert [type(result) for result in results] == [Appended] * 2 + [Duplicate] * 2
    assert await kept(bench) == WHOLE.body


async def test_a_refused_event_leaves_no_body(bench: Bench) -> None:
    """One that nothing names would only take up room."""
    await bench.client.set(KEYS.stream("unipile", "bad"), "x", ex=60)
    bad, good = await bench.append(
        bringing(make_identified("evt_1", "bad")), make_identified("evt_2")
    )

    assert isinstance(bad, StoreUnavailable)
    assert isinstance(good, Appended)
    assert await kept(bench) is None


async def test_a_full_stream_leaves_no_body(client: Redis) -> None:
    """Its event is not stored."""
    bench = make_bench(client, limits=Limits(streams=Fixed("full 0")))
    (refused,) = await bench.append(bringing(make_identified("evt_1")))
    await bench.appender.stop()

    assert isinstance(refused, StreamFull)
    assert await kept(bench) is None


@pytest.mark.redis
async def test_a_full_store_still_knows_what_it_has(server: Server, store: Redis) -> None:
    """A known event is a duplicate if its body is there, and must come again if it is not."""
    bench = make_bench(store)
    other = Batch(id="sha256:cd", body=b"other", keep_seconds=60)
    new, there, lacking = (
        bringing(make_identified("evt_0"), other),
        bringing(make_identified("evt_1")),
        bringing(make_identified("evt_2"), other),
    )
    await bench.append(there, make_identified("evt_2"))
    await store.config_set("maxmemory", 1)
    full = await bench.append(new, there, lacking)
    left = await kept(bench, KEYS.batch("unipile", other.id))
    await store.config_set("maxmemory", 0)
    (again,) = await bench.append(lacking)
    await bench.appender.stop()

    assert [type(result) for result in full] == [StoreFull, Duplicate, StoreFull]
    assert left is None
    assert isinstance(again, Duplicate)
    assert await kept(bench, KEYS.batch("unipile", other.id)) == other.body


@pytest.mark.redis
async def test_an_event_is_not_confirmed_without_its_body(server: Server, store: Redis) -> None:
    """Where only the body is refused, the sender's retry brings it and makes no second entry."""
    await store.execute_command("ACL SETUSER bodiless on nopass allkeys +@all -set")
    try:
        hindered = connect(server.url.replace("//", "//bodiless:x@"), role="test")
        bench = make_bench(hindered)
        (refused,) = await bench.append(bringing(make_identified("evt_1")))
        await bench.appender.stop()
        await hindered.aclose()
    finally:
        await store.execute_command("ACL DELUSER bodiless")
    free = make_bench(store)
    (again,) = await free.append(bringing(make_identified("evt_1")))
    await free.appender.stop()

    assert isinstance(refused, StoreUnavailable)
    assert isinstance(again, Duplicate)
    assert await kept(free) == WHOLE.body
    assert len(await free.events()) == 1


def test_a_body_travels_once_and_its_key_is_declared() -> None:
    """However many events of a call bring it."""
    packed = [pack(bringing(make_identified(f"evt_{n}")), KEYS) for n in range(3)]
    names, values = call_arguments("unipile", packed, KEYS)

    assert names.count(KEY) == 1
    assert [value for value in values if value == WHOLE.body] == [WHOLE.body]
    assert not any(WHOLE.body in value for value in values[:-2] if isinstance(value, bytes))


def test_a_call_without_one_is_what_it_was() -> None:
    """Usual events pay nothing for it."""
    names, values = call_arguments("unipile", [pack(make_identified("evt_1"), KEYS)], KEYS)

    assert len(names) == 4
    assert isinstance(values[-1], bytes)
    assert values[-1][:2] == b"\x91\x94"


async def test_a_body_counts_among_what_waits_and_is_sent(bench: Bench) -> None:
    """Bounds of memory and of a flush hold for it too."""
    long = Batch(id="sha256:ef", body=bytes(3_000_000), keep_seconds=60)
    calls = [
        asyncio.ensure_future(bench.appender.append(each))
        for each in (bringing(make_identified("evt_1"), long), make_identified("evt_2"))
    ]
    waiting_bytes = bench.appender.waiting_bytes
    await asyncio.gather(*calls)

    assert 3_000_000 < waiting_bytes < 3_010_000
    assert bench.heard.flushes == [1, 1]
