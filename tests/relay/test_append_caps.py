"""A stream's cap in entries holds to the entry, and what is dropped is counted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.append import Limits, StreamLimits
from relay.append.drop import drop_to
from relay.contract.connect import connect
from relay.contract.errors import StreamFull
from relay.contract.event import Appended, Duplicate
from relay.contract.stream import Stream
from tests.making import make_identified
from tests.relay.appending import KEYS, Bench, make_bench
from tests.servers import Server

STREAM = Stream("unipile", "message.new", KEYS.stream("unipile", "message.new"))


@dataclass
class Fixed(StreamLimits):
    """The same limits for each type, or those of some types."""

    limits: str = ""
    by_type: dict[str, str] | None = None
    is_needed: bool = True

    def of(self, tag: str, event_type: str) -> str:
        """Give the limits."""
        return (self.by_type or {}).get(event_type, self.limits)


CappedAt = Callable[..., Bench]


@pytest.fixture
async def capped(client: Redis) -> AsyncIterator[CappedAt]:
    """Makes appenders over an empty store with limits of one's own."""
    made: list[Bench] = []

    def make(limits: str = "", **by_type: str) -> Bench:
        made.append(make_bench(client, limits=Limits(streams=Fixed(limits, by_type))))
        return made[-1]

    yield make
    for bench in made:
        await bench.appender.stop()


def events(first: int, last: int, **changes: Any) -> list[Any]:
    """Make events with numbered ids."""
    return [make_identified(f"evt_{number}", **changes) for number in range(first, last)]


def kinds(results: list[Any]) -> Counter[type]:
    """Count results by their class."""
    return Counter(map(type, results))


def entry_ids(results: list[Any]) -> list[str]:
    """Give the ids of entries that there are."""
    return [one.entry_id for one in results]


# --- reject


async def test_a_full_stream_refuses_to_the_entry(capped: CappedAt) -> None:
    """Also in the middle of a batch."""
    bench = capped("10 0")
    first = await bench.append(*events(0, 7))
    second = await bench.append(*events(7, 20))

    assert kinds(first) == {Appended: 7}
    assert kinds(second) == {Appended: 3, StreamFull: 10}
    assert len(await bench.events()) == 10


async def test_a_full_stream_still_knows_its_events(capped: CappedAt) -> None:
    """A sender that sends one again must not be told to try later for ever."""
    bench = capped("5 0")
    stored = await bench.append(*events(0, 5))
    again = await bench.append(*events(0, 6))

    assert kinds(again) == {Duplicate: 5, StreamFull: 1}
    assert entry_ids(again[:5]) == entry_ids(stored)


async def test_what_a_full_stream_refused_gets_in_later(capped: CappedAt) -> None:
    """Nothing is remembered of it, so its retry is no duplicate."""
    bench = capped("5 0")
    await bench.append(*events(0, 5))
    refused = await bench.append(*events(5, 6))
    await bench.client.xtrim(STREAM.key, maxlen=4, approximate=False)
    again = await bench.append(*events(5, 6))

    assert kinds(refused) == {StreamFull: 1}
    assert kinds(again) == {Appended: 1}


async def test_a_full_stream_stops_no_other(capped: CappedAt) -> None:
    """In the same batch too."""
    bench = capped("", **{"message.new": "2 0"})
    results = await bench.append(*events(0, 4), *events(4, 8, event_type="email.new"))

    assert kinds(results[:4]) == {Appended: 2, StreamFull: 2}
    assert kinds(results[4:]) == {Appended: 4}


async def test_a_closed_stream_takes_nothing_and_knows_all(capped: CappedAt) -> None:
    """One that is at its cap in bytes, whatever it has of entries."""
    await capped().append(*events(0, 2))
    results = await capped("full 0").append(*events(0, 3))

    assert kinds(results) == {Duplicate: 2, StreamFull: 1}


async def test_a_misplaced_event_counts_where_it_goes(capped: CappedAt) -> None:
    """The cap of ``unidentified`` holds for what has no stream of its own."""
    bench = capped("9 2")
    results = await bench.append(
        *(make_identified(f"evt_{n}", f"type{n}", max_types=0) for n in range(4))
    )

    assert kinds(results) == {Appended: 2, StreamFull: 2}
    assert [one.args for one in results if isinstance(one, StreamFull)] == [("unidentified",)] * 2


async def test_what_was_accepted_before_passes_a_cap(capped: CappedAt) -> None:
    """It was answered 200 while the store was away; it must get in."""
    bench = capped("2 0")
    await bench.append(*events(0, 2))
    accepted = await asyncio.gather(
        *(bench.appender.append(each, past_caps=True) for each in events(2, 4))
    )
    after = await bench.append(*events(4, 5))

    assert kinds(list(accepted)) == {Appended: 2}
    assert kinds(after) == {StreamFull: 1}


async def test_a_cap_on_what_is_no_stream_stores_nothing(capped: CappedAt) -> None:
    """The error is that event's alone."""
    bench = capped("", **{"message.new": "2 0"})
    await bench.client.set(STREAM.key, "1", px=60_000)
    results = await bench.append(*events(0, 1), *events(1, 2, event_type="email.new"))

    assert not isinstance(results[0], Appended | StreamFull)
    assert kinds(results[1:]) == {Appended: 1}


@pytest.mark.redis
async def test_two_gateways_together_pass_no_cap(server: Server) -> None:
    """Each with its own connection, and batches that run at the same time."""
    clients = [connect(server.url, role="test") for _ in range(2)]
    benches = [make_bench(client, limits=Limits(streams=Fixed("500 0"))) for client in clients]
    results = await asyncio.gather(
        *(
            bench.append(*events(start, start + 40))
            for start in range(0, 800, 80)
            for bench, start in zip(benches, (start, start + 40), strict=True)
        )
    )
    length = await clients[0].xlen(STREAM.key)
    for bench in benches:
        await bench.appender.stop()
        await bench.client.aclose()

    assert length == 500
    assert kinds([one for part in results for one in part]) == {Appended: 500, StreamFull: 300}


# --- drop the oldest


async def test_the_oldest_go_to_the_entry(capped: CappedAt) -> None:
    """The stream never has more than its cap, and each event is stored."""
    bench = capped("-10 0")
    results = await bench.append(*events(0, 8))
    results += await bench.append(*events(8, 25))

    assert kinds(results) == {Appended: 25}
    assert [event.id for event in (await bench.events()).values()] == [
        f"evt_{number}" for number in range(15, 25)
    ]
    assert [(tag, one.event_type, one.entries) for tag, one in bench.heard.drops] == [
        ("unipile", "message.new", 15)
    ]


async def test_what_was_dropped_is_still_known(capped: CappedAt) -> None:
    """The dedupe window does not shrink with the stream."""
    bench = capped("-2 0")
    await bench.append(*events(0, 5))

    assert kinds(await bench.append(*events(0, 1))) == {Duplicate: 1}


@pytest.mark.redis
@pytest.mark.parametrize(
    ("read", "settled", "unsettled"),
    [(0, 0, 10), (30, 0, 10), (30, 30, 0), (4, 4, 6), (30, 4, 6)],
)
async def test_what_a_group_had_not_settled_is_counted_apart(
    server: Server, read: int, settled: int, unsettled: int
) -> None:
    """Unread or pending; what all have settled goes first, and may be more than is needed."""
    client = connect(server.url, role="test")
    bench = make_bench(client, limits=Limits(streams=Fixed("-30 0")))
    await bench.append(*events(0, 30))
    await client.xgroup_create(STREAM.key, "crm", id="0")
    if read:
        reply: Any = await client.xreadgroup("crm", "us", {STREAM.key: ">"}, count=read)
        ids = [entry_id for entry_id, _ in reply[0][1]]
        if settled:
            await client.xack(STREAM.key, "crm", *ids[:settled])
    await bench.append(*events(30, 40))
    ((_, drop),) = bench.heard.drops
    length = await client.xlen(STREAM.key)
    await bench.appender.stop()
    await client.aclose()

    assert drop.unsettled == unsettled
    assert drop.entries == 40 - length
    assert length == 30 or (length < 30 and unsettled == 0)


@pytest.mark.redis
async def test_what_was_dropped_while_pending_is_not_counted_again(server: Server) -> None:
    """Its group has it in its list until it notices; what comes after it was settled."""
    client = connect(server.url, role="test")
    bench = make_bench(client, limits=Limits(streams=Fixed("-5 0")))
    await bench.append(*events(0, 5))
    await client.xgroup_create(STREAM.key, "crm", id="0")
    reply: Any = await client.xreadgroup("crm", "us", {STREAM.key: ">"})
    await client.xack(STREAM.key, "crm", *(entry_id for entry_id, _ in reply[0][1][1:]))
    await bench.append(*events(5, 6))
    await bench.append(*events(6, 7))
    unsettled = [one.unsettled for _, one in bench.heard.drops]
    await bench.appender.stop()
    await client.aclose()

    assert unsettled == [1, 0]


@pytest.mark.redis
async def test_a_cap_that_was_lowered_is_reached_in_bounded_steps(server: Server) -> None:
    """A long stream is not cut in one command, which would keep the server busy."""
    client = connect(server.url, role="test", connections=10)
    bench = make_bench(client)
    await bench.append(*events(0, 1000))
    lowered = make_bench(client, limits=Limits(streams=Fixed("-10 0")))
    await lowered.append(*events(1000, 1001))
    after_one = await client.xlen(STREAM.key)
    for number in range(1001, 1006):
        await lowered.append(*events(number, number + 1))
    lengths = after_one, await client.xlen(STREAM.key)
    for each in (bench, lowered):
        await each.appender.stop()
    await client.aclose()

    assert lengths[0] >= 1001 - 257
    assert lengths[1] == 10


# --- dropping by bytes


@pytest.mark.redis
async def test_bytes_are_dropped_once_however_many_do_it(server: Server) -> None:
    """Each step looks for itself, so two gateways drop no more than one."""
    client = connect(server.url, role="test", connections=10)
    bench = make_bench(client)
    await bench.append(*events(0, 3000, data=b"x" * 500))
    before = await client.memory_usage(STREAM.key) or 0
    keep_bytes = before // 2
    drops = await asyncio.gather(*(drop_to(client, STREAM, keep_bytes) for _ in range(3)))
    after, length = await client.memory_usage(STREAM.key) or 0, await client.xlen(STREAM.key)
    await bench.appender.stop()
    await client.aclose()

    assert 0.9 * keep_bytes < after <= keep_bytes
    assert sum(one.entries for one in drops) == 3000 - length
    assert sum(one.unsettled for one in drops) == 0


async def test_without_limits_nothing_is_asked(client: Redis) -> None:
    """Streams without a cap cost an event nothing."""

    class Never(StreamLimits):
        def of(self, tag: str, event_type: str) -> str:
            raise AssertionError

    bench = make_bench(client, limits=Limits(streams=Never()))
    results = await bench.append(*events(0, 3))
    await bench.appender.stop()

    assert kinds(results) == {Appended: 3}
