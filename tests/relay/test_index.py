"""The dedupe index as it lies in the store, in memory and on real servers."""

import re
import time
from itertools import pairwise

import pytest
from redis.asyncio import Redis

from relay.append import Limits
from relay.append.script import SCRIPT
from relay.contract.errors import StoreFull, StoreUnavailable
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from tests.making import make_identified
from tests.relay.appending import KEYS, Bench, Result, entry_id, make_bench
from tests.servers import Server
from tests.waiting import wait_until

BOOK = KEYS.seen("unipile", "ids")


def many(count: int, event_type: str = "message.new") -> list[IdentifiedEvent]:
    """Make so many events with ids of their own."""
    return [make_identified(f"evt_{number}", event_type) for number in range(count)]


def kinds(results: list[Result]) -> set[type]:
    """Say what results there are."""
    return {type(result) for result in results}


async def test_an_identity_is_kept_in_full_and_its_entry_in_few_bytes(bench: Bench) -> None:
    """A mark is 128 bits of the identity, and what else is needed in some ten bytes."""
    await bench.append(make_identified("evt_1"), make_identified("evt_2"))
    (name,) = await bench.buckets()
    marks = await bench.marks()

    assert re.fullmatch(re.escape(BOOK) + r":[0-9a-z]+:[0-9a-z]+:0:00", name)
    assert {len(identity) for identity in marks} == {16}
    assert all(re.fullmatch(rb"a1?", mark[8:]) for mark in marks.values())
    assert list(await bench.books()) == [BOOK]


async def test_the_index_ends_with_the_window(bench: Bench) -> None:
    """Every key of it expires: not before the window is over, nor long after it."""
    await bench.append(make_identified("evt_1", window_seconds=3600))
    names = [*await bench.buckets(), *await bench.books()]

    left_ms = [await bench.client.pttl(name) for name in names]

    assert len(names) == 2
    # A slice of half a window more, and twice a 64th of that.
    assert all(3_600_000 <= left <= 5_400_000 + 2 * 28_125 for left in left_ms)


async def test_a_bucket_of_another_type_fails_its_own_events_alone(bench: Bench) -> None:
    """What cannot be looked up is refused, for appending it could make a second entry."""
    events = many(500)
    await bench.append(*events)
    names = {name: set(bucket) for name, bucket in (await bench.buckets()).items()}
    # The last generation is looked through first, so nothing else comes by this one.
    bad = max(names)
    await bench.client.delete(bad)
    await bench.client.set(bad, "no hash", ex=60)

    results = await bench.append(*events)

    refused = [result for result in results if isinstance(result, StoreUnavailable)]
    assert len(names[bad]) <= len(refused) < len(events) / 2
    assert kinds(results) == {StoreUnavailable, Duplicate}
    assert len(await bench.events()) == len(events)


@pytest.mark.parametrize(
    "mark", [b"", b"x", b"12345678\xff", b"12345678-1", b"1234\xff\xff\xff\xffa"]
)
async def test_a_mark_of_another_form_is_an_error(bench: Bench, mark: bytes) -> None:
    """A mark that was not written by this script is not taken for anything."""
    await bench.append(make_identified("evt_1"), make_identified("evt_2"))
    (name,) = await bench.buckets()
    for identity in await bench.marks():
        await bench.client.hset(name, identity, mark)

    results = await bench.append(make_identified("evt_1"), make_identified("evt_3"))

    assert [type(result) for result in results] == [StoreUnavailable, Appended]


@pytest.mark.parametrize(
    "fields",
    [{"x": "1 1"}, {"1:1": "x y z"}, {"1:1": "1"}, {"0:1": "1 1"}, {"1:1": "0 1"}, {"-1:1": "1 1"}],
)
async def test_a_book_of_another_form_is_an_error(bench: Bench, fields: dict[str, str]) -> None:
    """A slice that cannot be read may hold what comes; nothing is appended past it."""
    await bench.append(make_identified("evt_1"))
    for field, value in fields.items():
        await bench.client.hset(BOOK, field, value)

    results = await bench.append(make_identified("evt_1"), make_identified("evt_2"))

    assert kinds(results) == {StoreUnavailable}
    assert len(await bench.events()) == 1


async def test_a_book_of_another_type_fails_its_kind_alone(bench: Bench) -> None:
    """Events that are known by their body have an index, and troubles, of their own."""
    await bench.client.set(BOOK, "no hash", ex=60)

    refused, stored = await bench.append(
        make_identified("evt_1"), make_identified("evt_1", kind="bodies")
    )
    (repeat,) = await bench.append(make_identified("evt_1", kind="bodies"))

    assert isinstance(refused, StoreUnavailable)
    assert repeat == Duplicate(entry_id(stored))
    assert len(await bench.events()) == 1


async def test_a_big_batch_overfills_no_bucket(client: Redis) -> None:
    """Generations begin within a call too, so that every bucket stays a short list."""
    bench = make_bench(client, limits=Limits(batch_events=2000, batch_bytes=1 << 24))
    events = many(2000)

    appended = await bench.append(*events)
    repeats = await bench.append(*events)
    await bench.appender.stop()
    sizes = [len(bucket) for bucket in (await bench.buckets()).values()]

    assert bench.heard.flushes == [2000, 2000]
    assert kinds(appended) == {Appended}
    assert repeats == [Duplicate(entry_id(result)) for result in appended]
    assert sum(sizes) == 2000
    assert max(sizes) <= 128


@pytest.mark.parametrize(
    "last",
    [
        "{soon}-5",
        "{soon}-18446744073709551610",
        "9007199254740993-7",
        "99999999999999999-9007199254740993",
        "18446744073709551615-18446744073709551610",
    ],
)
async def test_any_entry_id_survives(bench: Bench, last: str) -> None:
    """Ids ahead of the clock, and beyond what a script's numbers hold, are answered exactly."""
    stream = KEYS.stream("unipile", "message.new")
    seed = last.format(soon=int(1000 * time.time()) + 60_000)
    await bench.client.xadd(stream, {"no": "event"}, id=seed)
    await bench.client.xdel(stream, seed)

    appended = await bench.append(*many(3))
    repeats = await bench.append(*many(3))

    ms, _, seq = seed.partition("-")
    assert list(await bench.events()) == [f"{ms}-{int(seq) + n}" for n in (1, 2, 3)]
    assert repeats == [Duplicate(entry_id(result)) for result in appended]


async def test_an_id_is_known_across_many_types(bench: Bench) -> None:
    """The mark says which stream holds the entry, also when the types have run out of letters."""
    types = [f"type.{number}" for number in range(30)]
    firsts = await bench.append(*(make_identified(name, name) for name in types))

    repeats = await bench.append(*(make_identified(name, "type.0") for name in types))
    await bench.delete_stream("type.29")
    again, other = await bench.append(
        make_identified("type.29", "type.0"), make_identified("type.28", "type.0")
    )

    assert repeats[1:] == [Duplicate(entry_id(first), changed_body=False) for first in firsts[1:]]
    assert isinstance(again, Appended)
    assert other == Duplicate(entry_id(firsts[28]))
    assert {mark[8:].rstrip(b"0123456789") for mark in (await bench.marks()).values()} >= {
        b"b",
        b"z",
        b"aa",
        b"ac",
    }


async def test_an_event_that_is_appended_again_is_remembered_once(bench: Bench) -> None:
    """The new mark takes the place of the old one."""
    await bench.append(make_identified("evt_1"))
    await bench.delete_stream()
    await bench.append(make_identified("evt_1"))

    (book,) = (await bench.books()).values()
    assert len(await bench.marks()) == 1
    assert list(book.values()) == [b"1 1"]


@pytest.mark.redis
async def test_a_full_store_is_left_untouched(server: Server, store: Redis) -> None:
    """Where the first entry is refused, not even the book is begun."""
    bench = make_bench(store)
    await store.config_set("maxmemory", 1)

    (refused,) = await bench.append(make_identified("evt_1"))
    await store.config_set("maxmemory", 0)
    await bench.appender.stop()

    assert isinstance(refused, StoreFull)
    assert await store.dbsize() == 0


@pytest.mark.redis
async def test_slices_come_and_go_in_real_time(server: Server, store: Redis) -> None:
    """An event is known for its window, then it is new; and in the end nothing is left."""
    bench = make_bench(store)
    sent = [await _send(bench, 0)]

    async def is_new() -> bool:
        sent.append(await _send(bench, len(sent)))
        return isinstance(sent[-1], Appended)

    for _ in range(3):
        await wait_until(is_new, description="the window was over")
    firsts = [result for result in sent if isinstance(result, Appended)]
    begun = [int(first.entry_id.partition("-")[0]) for first in firsts]
    slices = max(len(book) for book in (await bench.books()).values())
    await wait_until(lambda: _nothing_left(bench), description="the index expired")
    await bench.appender.stop()

    assert len(firsts) == 4
    assert all(later - one >= 1000 for one, later in pairwise(begun))
    for first, later in pairwise(firsts):
        between = sent[sent.index(first) + 1 : sent.index(later)]
        assert set(between) == {Duplicate(first.entry_id)}
    assert slices <= 5


async def _send(bench: Bench, number: int) -> Result:
    """Send one event again, together with one that nobody has seen."""
    events = (make_identified(name, window_seconds=1) for name in ("again", f"new {number}"))
    return (await bench.append(*events))[0]


async def _nothing_left(bench: Bench) -> bool:
    return not await bench.buckets() and not await bench.books()


def test_the_script_is_one_text() -> None:
    """Its parts are put together once, in the order in which they need each other."""
    parts = ("one", "two", "three", "four", "five")
    order = [SCRIPT.text.index(f"Part {part} of five") for part in parts]

    assert order == sorted(order)
