"""In which batches events go to the store, and what becomes of those it does not take."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from fakeredis import FakeServer
from redis.asyncio import Redis

from relay.append import Limits
from relay.append.script import pack
from relay.append.waiting import Waiting
from relay.contract.connect import connect
from relay.contract.errors import Overloaded, StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate
from relay.contract.wire import Command, Wire
from tests.eager import tasks_that_end_at_once
from tests.fakes import fake_store
from tests.making import make_identified
from tests.relay.appending import KEYS, Bench, entry_id, make_bench
from tests.servers import Server, free_port
from tests.waiting import wait_until


def hold_up(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Keep every flush from the store; give what says that one has begun, and what lets it go."""
    exchange, under_way, may_end = Wire.exchange, asyncio.Event(), asyncio.Event()

    async def held_up(wire: Wire, commands: Sequence[Command]) -> list[Any]:
        under_way.set()
        await may_end.wait()
        return await exchange(wire, commands)

    monkeypatch.setattr(Wire, "exchange", held_up)
    return under_way, may_end


async def test_many_tags_in_one_flush_keep_their_order(bench: Bench) -> None:
    """Events of several tags share a round trip; each gets its own answer, in order."""
    tags = ["c", "a", "b", "a", "c", "b", "a", "c"]
    events = [make_identified(f"evt_{n}", tag=tag) for n, tag in enumerate(tags)]

    results = await bench.append(*events)

    assert bench.heard.flushes == [8]
    for tag in set(tags):
        expected = {
            entry_id(result): event.event
            for result, event in zip(results, events, strict=True)
            if event.tag == tag
        }
        found = await bench.events(tag=tag)
        assert found == expected
        assert list(found) == list(expected)


async def test_a_flush_has_a_bounded_number_of_events(client: Redis) -> None:
    """What piles up goes in batches of the allowed size, oldest first."""
    bench = make_bench(client, limits=Limits(batch_events=4))

    results = await bench.append(*[make_identified(f"evt_{n}") for n in range(10)])

    assert bench.heard.flushes == [4, 4, 2]
    ids = [event.id for event in (await bench.events()).values()]
    assert ids == [f"evt_{n}" for n in range(10)]
    assert list(await bench.events()) == [entry_id(result) for result in results]


async def test_a_flush_has_a_bounded_number_of_bytes(client: Redis) -> None:
    """Long events go in smaller batches; one that is too long for any goes alone."""
    bench = make_bench(client, limits=Limits(batch_bytes=25_000))
    sizes = [10_000, 10_000, 10_000, 99_000, 10_000]

    results = await bench.append(
        *[make_identified(f"evt_{n}", data=b"x" * size) for n, size in enumerate(sizes)]
    )

    assert [type(result) for result in results] == [Appended] * 5
    assert bench.heard.flushes == [2, 1, 1, 1]


async def test_events_wait_for_each_other_without_a_timer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives while a flush is under way goes together in the next."""
    under_way, may_end = hold_up(monkeypatch)
    first = asyncio.create_task(bench.append(make_identified("evt_0")))
    await under_way.wait()
    rest = asyncio.create_task(bench.append(*[make_identified(f"evt_{n}") for n in range(1, 6)]))
    await wait_until(lambda: bench.appender.waiting == 5, description="five events wait")
    may_end.set()
    await asyncio.gather(first, rest)

    assert bench.heard.flushes == [1, 5]


async def test_too_many_waiting_events_are_refused(client: Redis) -> None:
    """Beyond the bound a delivery is refused at once, and what waited is stored all the same."""
    bench = make_bench(client, limits=Limits(waiting_events=3))

    results = await bench.append(*[make_identified(f"evt_{n}") for n in range(5)])

    assert [type(result) for result in results] == [Appended] * 3 + [Overloaded] * 2
    assert len(await bench.events()) == 3
    assert bench.appender.waiting == 0


async def test_too_many_waiting_bytes_are_refused(client: Redis) -> None:
    """The bound holds for their length too, whatever their number."""
    bench = make_bench(client, limits=Limits(waiting_bytes=25_000))
    events = [make_identified(f"evt_{n}", data=b"x" * 10_000) for n in range(5)]

    results = await bench.append(*events)

    assert [type(result) for result in results] == [Appended] * 3 + [Overloaded] * 2
    assert bench.appender.waiting_bytes == 0


async def test_nothing_is_sent_to_a_full_store(client: Redis) -> None:
    """While the store has no room, an event is refused; when it has, it is stored."""
    full = True
    bench = make_bench(client, is_full=lambda: full)

    (refused,) = await bench.append(make_identified("evt_1"))
    full = False
    (stored,) = await bench.append(make_identified("evt_1"))

    assert isinstance(refused, StoreFull)
    assert isinstance(stored, Appended)
    assert bench.heard.flushes == [1]


async def test_an_event_outlives_its_caller(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that hangs up does not take its event back."""
    under_way, may_end = hold_up(monkeypatch)
    call = bench.appender.append(make_identified("evt_1"))
    await under_way.wait()
    call.cancel()
    may_end.set()

    await bench.appender.stop()

    assert call.cancelled()
    assert [event.id for event in (await bench.events()).values()] == ["evt_1"]


async def test_stop_returns_when_all_is_answered(client: Redis) -> None:
    """Stopping sends what waits, in as many flushes as it takes."""
    bench = make_bench(client, limits=Limits(batch_events=2))
    calls = [bench.appender.append(make_identified(f"e{n}")) for n in range(7)]
    await asyncio.sleep(0)

    await bench.appender.stop()
    await bench.appender.stop()

    assert len(await bench.events()) == 7
    assert [type(result) for result in await asyncio.gather(*calls)] == [Appended] * 7


async def test_an_unexpected_error_answers_everybody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug on the way to the store refuses the batch; the next is stored."""
    with monkeypatch.context() as patch:
        patch.setattr(Wire, "exchange", None)
        refused = await bench.append(make_identified("evt_1"), make_identified("evt_2"))

    (stored,) = await bench.append(make_identified("evt_1"))

    assert [type(result) for result in refused] == [StoreUnavailable] * 2
    assert isinstance(stored, Appended)


async def test_a_flush_that_ends_as_it_begins_is_not_the_last(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that this one is part of may have its tasks begin at once."""
    with monkeypatch.context() as patch, tasks_that_end_at_once():
        patch.setattr(Wire, "exchange", None)
        with pytest.raises(StoreUnavailable):
            await bench.appender.append(make_identified("evt_1"))

    (stored,) = await bench.append(make_identified("evt_1"))

    assert isinstance(stored, Appended)


async def test_without_a_store_the_deadline_answers() -> None:
    """Where nobody listens, every waiting event is refused when its time is over."""
    client = connect(f"redis://127.0.0.1:{free_port()}", role="test")
    bench = make_bench(client, limits=Limits(deadline_seconds=0.1, batch_events=2))

    results = await bench.append(*[make_identified(f"evt_{n}") for n in range(5)])
    await bench.appender.stop()
    await client.aclose()

    assert [type(result) for result in results] == [StoreUnavailable] * 5
    assert bench.appender.waiting == 0
    assert bench.heard.flushes == []


async def test_whoever_is_sent_no_more_has_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also who becomes late while the others are looked at: the clock goes on meanwhile."""
    bench = make_bench(fake_store(), limits=Limits(deadline_seconds=10))
    loop = asyncio.get_running_loop()
    event = pack(make_identified("evt_1"), KEYS)
    batch = [Waiting(event, loop.create_future(), float(since)) for since in range(10)]
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", count(10, 0.4).__next__)
        left = bench.appender._within_deadline(batch)

    late = [waiting for waiting in batch if waiting not in left]
    assert 0 < len(late) < 10
    assert all(isinstance(waiting.answer.exception(), StoreUnavailable) for waiting in late)


async def test_a_flush_that_breaks_off_leaves_nobody_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it was: those in it are told, and the next event goes its way."""
    bench = make_bench(fake_store(), limits=Limits(deadline_seconds=0.2))
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(bench.appender, "_still_waiting", lambda: 1 / 0)
        async with asyncio.timeout(5):
            results = await bench.append(make_identified("evt_1"), make_identified("evt_2"))
    (stored,) = await bench.append(make_identified("evt_3"))

    assert [type(result) for result in results] == [StoreUnavailable] * 2
    assert isinstance(stored, Appended)


async def test_an_event_that_waits_is_stored_when_the_store_is_back() -> None:
    """A blip shorter than the deadline costs the sender no retry."""
    server = FakeServer()
    server.connected = False
    bench = make_bench(fake_store(server), limits=Limits(deadline_seconds=60))
    call = bench.appender.append(make_identified("evt_1"))
    await wait_until(lambda: bench.appender._failing, description="a flush failed")

    server.connected = True
    result = await call

    assert list(await bench.events()) == [result.entry_id]
    assert bench.heard.connections == 1


async def test_an_older_event_that_comes_from_elsewhere_keeps_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not wait for that of those who were here before it."""
    bench = make_bench(fake_store(), limits=Limits(deadline_seconds=3600))
    under_way, may_end = hold_up(monkeypatch)
    here = bench.appender.append(make_identified("evt_1"))
    await under_way.wait()
    loop = asyncio.get_running_loop()
    older = Waiting(pack(make_identified("evt_2"), KEYS), loop.create_future(), loop.time() - 3600)

    bench.appender._take([older])
    async with asyncio.timeout(10):
        with pytest.raises(StoreUnavailable):
            await older.answer
    may_end.set()

    assert isinstance(await here, Appended)
    await bench.appender.stop()


@pytest.mark.redis
async def test_a_store_that_refuses_for_memory_remembers_nothing(
    server: Server, store: Redis
) -> None:
    """At maxmemory a new event is refused and not marked; a known one is still known."""
    bench = make_bench(store)
    (known,) = await bench.append(make_identified("evt_1"))
    await store.config_set("maxmemory", 1)

    refused, duplicate = await bench.append(make_identified("evt_2"), make_identified("evt_1"))
    marks = await bench.marks()
    await store.config_set("maxmemory", 0)
    (stored,) = await bench.append(make_identified("evt_2"))

    assert isinstance(refused, StoreFull)
    assert duplicate == Duplicate(entry_id(known))
    assert len(marks) == 1
    assert isinstance(stored, Appended)


@pytest.mark.redis
async def test_a_store_that_must_not_write_refuses(server: Server, store: Redis) -> None:
    """A replica, or a server that lacks replicas, is answered as a store that is away."""
    bench = make_bench(store)
    await store.config_set("min-replicas-to-write", 1)

    (refused,) = await bench.append(make_identified("evt_1"))
    await store.config_set("min-replicas-to-write", 0)
    (stored,) = await bench.append(make_identified("evt_1"))

    assert isinstance(refused, TryLater)
    assert not isinstance(refused, StoreFull)
    assert isinstance(stored, Appended)
