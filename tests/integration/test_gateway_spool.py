"""A gateway with a spool, over real servers that are away, full, or refuse a stream."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from relay.append import Appender
from relay.contract.connect import ResponseError, connect, send_command
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.keys import Keys
from relay.spool.directory import Directory
from relay.spool.look_up import APART_MS, PAGE, PAGE_BYTES, SCRIPT, Due, LookUp
from relay.spool.row import Row, encode
from relay.spool.spool import Spool
from relay.spool.spooling import Spooling
from tests.integration.gateways import Running, body_of, running, until_status
from tests.making import make_identified
from tests.replicas import ReplicaSet
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

SPOOLED = {"received": True, "spooled": True}
STREAM = "relay:{unipile}:message.new"


@asynccontextmanager
async def spooling_over(server: Server, path: Path) -> AsyncIterator[Running]:
    """Have a gateway with a spool."""
    toml = {"spool": {"directory": str(path)}, "append_deadline_seconds": 1}
    async with running(server, toml) as one:
        yield one


@pytest.fixture
async def gateway(own_server: Server, tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway with a spool over a durable server that the test may stop."""
    async with spooling_over(own_server, tmp_path / "spool") as one:
        yield one


async def ids(gateway: Running, event_type: str = "message.new") -> list[str]:
    """Give the ids of what is in a stream."""
    return [event.id for event in (await gateway.events(event_type)).values()]


def metric(gateway: Running, name: str) -> float:
    """Give a metric's value, all labels together."""
    lines = gateway.gateway.metrics.text().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def until_drained(gateway: Running) -> None:
    """Wait until the spool is empty."""
    await wait_until(lambda: metric(gateway, "relay_spool_events ") == 0, description="drained")


async def test_a_store_that_is_killed_costs_no_sender_a_retry(
    gateway: Running, own_server: Server
) -> None:
    """Every delivery is answered 200; when the store is back each is in its stream once."""
    await gateway.send(body_of("evt_0"))
    with capture_logs() as logs:
        own_server.kill()
        answers = [await gateway.send(body_of(f"evt_{n}")) for n in range(1, 30)]
        ready = await gateway.ask("/readyz")
        spooled = [metric(gateway, name) for name in ("relay_spool_events ", "relay_spooled_")]
        age = metric(gateway, "relay_spool_oldest_seconds ")
        own_server.start()
        await until_drained(gateway)
        await until_status(gateway, "/readyz", 200)
        after = await gateway.send(body_of("evt_30"))

    assert [answer.status for answer in answers] == [200] * 29
    assert await answers[0].json() == SPOOLED
    assert answers[0].headers["relay-event-id"] == "evt_1"
    assert "relay-entry-id" not in answers[0].headers
    assert ready == (200, {"ready": True, "degraded": True})
    assert spooled == [29, 29]
    assert 0 <= age < 60
    assert await after.json() == {"received": True}
    assert await ids(gateway) == [f"evt_{n}" for n in range(31)]
    assert metric(gateway, "relay_drained_events_total") == 29
    said = [line["event"] for line in logs if line["event"].startswith("spool")]
    assert said == ["spooling_began", "spool_drained"]


async def test_a_store_that_hangs_is_spared(
    gateway: Running, own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first wait their time, those behind them go straight to the disk, none twice."""
    append, appended = Appender.append, list[str]()

    def note(
        appender: Appender, identified: IdentifiedEvent, *, past_caps: bool = False
    ) -> asyncio.Future[Appended | Duplicate]:
        appended.append(identified.event.id)
        return append(appender, identified, past_caps=past_caps)

    monkeypatch.setattr(Appender, "append", note)
    await gateway.send(body_of("evt_0"))
    own_server.fall_asleep()
    first = [
        await answer.json()
        for answer in await asyncio.gather(
            *(gateway.send(body_of(f"evt_{n}")) for n in range(1, 5))
        )
    ]
    for n in range(5, 15):
        assert await (await gateway.send(body_of(f"evt_{n}"))).json() == SPOOLED
    waited_for = list(appended)
    own_server.wake_up()
    await until_drained(gateway)

    assert first == [SPOOLED] * 4
    assert waited_for == [f"evt_{n}" for n in range(5)]
    assert sorted(await ids(gateway)) == sorted(f"evt_{n}" for n in range(15))


async def test_what_is_on_the_disk_gets_in_past_a_cap(own_server: Server, tmp_path: Path) -> None:
    """It was accepted while nobody knew whether there was room; what comes later is refused."""
    toml = {
        "spool": {"directory": str(tmp_path / "spool")},
        "append_deadline_seconds": 1,
        "caps": {"unipile:*": {"max_entries": 2, "on_full": "reject"}},
    }
    async with running(own_server, toml) as gateway:
        await gateway.send(body_of("evt_0"))
        own_server.kill()
        for n in range(1, 5):
            await gateway.send(body_of(f"evt_{n}"))
        own_server.start()
        await until_drained(gateway)
        late = await gateway.send(body_of("evt_5"))
        known = await gateway.send(body_of("evt_4"))
        stored = await ids(gateway)

    assert stored == [f"evt_{n}" for n in range(5)]
    assert (late.status, known.status) == (503, 200)


async def test_a_full_store_is_relieved_by_the_disk(server: Server, tmp_path: Path) -> None:
    """What it refuses for want of memory waits on the disk until it has room."""
    async with spooling_over(server, tmp_path) as gateway:
        await gateway.send(body_of("evt_0"))
        await gateway.store.config_set("maxmemory", 1)
        await wait_until(lambda: gateway.gateway.capacity.is_full, description="it is full")
        answer = await (await gateway.send(body_of("evt_1"))).json()
        ready = await gateway.ask("/readyz")
        await gateway.store.config_set("maxmemory", 0)
        await until_drained(gateway)

        assert answer == SPOOLED
        assert ready == (200, {"ready": True, "degraded": True})
        assert await ids(gateway) == ["evt_0", "evt_1"]


async def test_a_key_of_another_kind_holds_up_its_own_stream(
    server: Server, tmp_path: Path
) -> None:
    """It is said once and counted; the others go in, and it does when the key is gone."""
    async with spooling_over(server, tmp_path) as gateway:
        await send_command(gateway.store, "SETEX", STREAM, 100, "no stream")
        with capture_logs() as logs:
            held = await (await gateway.send(body_of("evt_1"))).json()
            other = await (await gateway.send(body_of("evt_2", "email.new"))).json()
            failures = 'relay_spool_failures_total{failure="refused"}'
            await wait_until(lambda: metric(gateway, failures) > 1, description="tried again")
        await gateway.store.delete(STREAM)
        await until_drained(gateway)

        assert held == SPOOLED
        assert other == {"received": True}
        assert await ids(gateway) == ["evt_1"]
        (line,) = [line for line in logs if line["event"] == "spool_streams_held_up"]
        assert (line["type"], line["error"]) == ("message.new", "WRONGTYPE")


async def test_without_a_spool_nothing_is_kept(own_server: Server, tmp_path: Path) -> None:
    """It is off unless it is asked for: then 503, and not ready."""
    async with running(own_server, {"append_deadline_seconds": 0.2}) as gateway:
        own_server.kill()
        answer = await gateway.send(body_of("evt_1"))
        ready = await gateway.ask("/readyz")
        own_server.start()

    assert answer.status == 503
    assert ready == (503, {"ready": False})


async def test_an_entry_is_found_around_the_time_it_was_sent(store: Redis) -> None:
    """By id and time of arrival, in its stream or among the unidentified; other times are not."""
    appender, keys = Appender(store, Keys()), Keys()
    events = [make_identified(f"evt_{n}", max_types=1) for n in range(300)]
    await asyncio.gather(*(appender.append(each) for each in events))
    misplaced = make_identified("misplaced", "email.new", max_types=1)
    await appender.append(misplaced)
    await appender.stop()
    now_ms = int(time.time() * 1000)

    def due(number: int, identified: object, at_ms: int = now_ms) -> Due:
        assert isinstance(identified, type(misplaced))
        stream = identified.tag, identified.event.type
        return Due(Row(number, stream, encode(identified), at_ms, at_ms), identified)

    look_up = LookUp(store, keys)
    late = [due(1, events[0]), due(2, events[299]), due(3, misplaced)]
    absent = make_identified("absent")

    assert await look_up([*late, due(4, absent)]) == {1, 2, 3}
    assert await look_up([due(1, events[0], now_ms + 2 * APART_MS)]) == set()
    assert await look_up([due(1, absent)]) == set()


async def test_what_is_found_counts_only_where_replicas_have_it(store: Redis) -> None:
    """An entry that the primary alone has goes with it; so its event stays on the disk."""
    appender, keys = Appender(store, Keys()), Keys()
    known, absent = make_identified("evt_1"), make_identified("evt_2")
    await appender.append(known)
    await appender.stop()
    now_ms = int(time.time() * 1000)
    found, missed = (
        Due(Row(1, (each.tag, each.event.type), encode(each), now_ms, now_ms), each)
        for each in (known, absent)
    )

    look_up = LookUp(store, keys, replicas=1)

    assert await look_up([missed]) == set()
    with pytest.raises(ResponseError):
        await look_up([found])


async def test_long_entries_are_looked_at_in_few(store: Redis) -> None:
    """A server that had to hold a hundred long bodies once more could run out of memory."""
    for number in range(8):
        fields: dict[Any, Any] = {"id": f"evt_{number}", "receivedat": 1, "data": b"x" * 400_000}
        await store.xadd(STREAM, fields, id=f"{number + 1}-0")
    go_on, *found = await SCRIPT(store, [STREAM], "0", "9", PAGE, PAGE_BYTES, "evt_1", 1)

    assert found == [b"1"]
    assert go_on in {b"(2-0", b"(3-0"}


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
async def test_what_is_found_counts_as_soon_as_replicas_have_it(
    replica_set: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only a primary has may go with it, so it stays on the disk until replicas have it."""
    keys, identified = Keys(), make_identified("evt_1")
    now_ms = int(time.time() * 1000)
    row = Row(1, (identified.tag, identified.event.type), encode(identified), now_ms, now_ms)
    store = connect(replica_set.front.url, role="test", connections=2)
    release = store.connection_pool.release

    async def close_and_release(connection: Any) -> None:
        """Have nothing go over a connection that something else went over."""
        await connection.disconnect()
        await release(connection)

    monkeypatch.setattr(store.connection_pool, "release", close_and_release)
    try:
        replica_set.cut_off()
        appender = Appender(store, keys)
        await appender.append(identified)
        await appender.stop()
        look_up = LookUp(store, keys, 1)
        with pytest.raises(ResponseError):
            await look_up([Due(row, identified)])
        absent = await look_up([Due(row, make_identified("absent"))])
        replica_set.rejoin()

        async def is_found() -> bool:
            with suppress(ResponseError):
                return await look_up([Due(row, identified)]) == {1}
            return False

        await wait_until(is_found, deadline_seconds=30, description="the replica has it")
    finally:
        await store.aclose()

    assert absent == set()


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
async def test_what_only_a_former_primary_has_is_not_found(
    store: Redis, replica_set: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is asked for the replicas has not got the entry, though all that it has is confirmed."""
    keys, identified = Keys(), make_identified("evt_1")
    now_ms = int(time.time() * 1000)
    row = Row(1, (identified.tag, identified.event.type), encode(identified), now_ms, now_ms)
    appender = Appender(store, keys)
    await appender.append(identified)
    await appender.stop()
    # However long a busy machine's replica takes.
    monkeypatch.setattr("relay.append.confirm.PROBE_SECONDS", 15.0)
    promoted = connect(replica_set.front.url, role="test", timeout_seconds=20.0)
    monkeypatch.setattr("relay.spool.look_up.at", lambda *_: promoted)
    try:
        found = await LookUp(store, keys, 1)([Due(row, identified)])
    finally:
        await promoted.aclose()

    assert found == set()


async def test_what_the_index_has_forgotten_is_not_stored_twice(
    store: Redis, tmp_path: Path
) -> None:
    """Sent, stored, never confirmed, and drained when its window is over: it has one entry."""
    appender, keys = Appender(store, Keys()), Keys()
    events = [make_identified(f"evt_{n}", kind="bodies", window_seconds=600) for n in range(3)]
    spool = Spool(Directory(tmp_path), max_bytes=10**6)
    await spool.start()
    for each in events:
        await spool.keep(each, tried=True)
    await spool.finish()
    # As far as the store has come with them; an hour later nothing is remembered of it.
    await asyncio.gather(*(appender.append(each) for each in events[:2]))
    await store.delete(*[name async for name in store.scan_iter("*@seen*")])
    later = Spool(Directory(tmp_path), max_bytes=10**6, clock=lambda: time.time() + 3600)
    spooling = Spooling(appender, later, LookUp(store, keys))
    await spooling.start()
    await wait_until(lambda: not later.events, description="drained")
    await spooling.stop()
    await appender.stop()
    found: Any = await store.xrange(STREAM)

    assert [fields[b"id"] for _, fields in found] == [b"evt_0", b"evt_1", b"evt_2"]
