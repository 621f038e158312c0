"""What appending promises, asked alike of the store in memory and of real servers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from fakeredis import FakeServer
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.append import Appender, Limits, Observer
from relay.contract.connect import connect
from relay.contract.entry import decode
from relay.contract.errors import Overloaded, StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, Event, IdentifiedEvent
from relay.contract.keys import Keys
from tests.conftest import empty_server
from tests.fakes import fake_store
from tests.making import make_identified
from tests.servers import Server, free_port
from tests.waiting import wait_until

KEYS = Keys()
Result = Appended | Duplicate | BaseException


@dataclass
class Heard(Observer):
    """Keeps what the appender reports."""

    flushes: list[int] = field(default_factory=list)
    new_streams: list[tuple[str, str]] = field(default_factory=list)
    misplacements: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    connections: int = 0

    def flushed(self, events: int, seconds: float) -> None:
        """One flush was answered."""
        assert seconds >= 0
        self.flushes.append(events)

    def registered(self, tag: str, event_type: str) -> None:
        """A stream was begun."""
        self.new_streams.append((tag, event_type))

    def misplaced(self, tag: str) -> None:
        """An event went to ``unidentified``."""
        self.misplacements.append(tag)

    def changed_body(self, tag: str) -> None:
        """A known id came with another body."""
        self.changed.append(tag)

    def connected(self) -> None:
        """The store answers again."""
        self.connections += 1


@dataclass
class Bench:
    """A store, an appender over it, and what that reported."""

    client: Redis
    appender: Appender
    heard: Heard

    async def append(self, *events: IdentifiedEvent) -> list[Result]:
        """Append events at once, so that they share a flush; give results and errors."""
        calls = (self.appender.append(event) for event in events)
        async with asyncio.timeout(30):
            return await asyncio.gather(*calls, return_exceptions=True)

    async def events(
        self, event_type: str = "message.new", tag: str = "unipile"
    ) -> dict[str, Event]:
        """Give a stream's events by entry id."""
        raw: Any = await self.client.xrange(KEYS.stream(tag, event_type))
        return {entry_id.decode(): decode(fields) for entry_id, fields in raw}

    async def delete_stream(self, event_type: str = "message.new") -> None:
        """Delete a stream, and return when a new one cannot begin with one of its ids."""
        last = max(int(one.partition("-")[0]) for one in await self.events(event_type))
        await self.client.delete(KEYS.stream("unipile", event_type))
        await wait_until(lambda: time.time() * 1000 > last + 1, description="a ms has passed")

    async def marks(self) -> set[str]:
        """Name the keys of the dedupe index."""
        found: Any = await self.client.keys("*@seen*")
        return {name.decode() for name in found}

    async def streams(self, tag: str = "unipile") -> dict[str, str]:
        """Give the tag's registered streams."""
        raw: Any = await self.client.hgetall(KEYS.streams(tag))
        return {name.decode(): entry.decode() for name, entry in raw.items()}


def make_bench(client: Redis, **arguments: Any) -> Bench:
    """Put an appender over a client."""
    heard = Heard()
    return Bench(client, Appender(client, KEYS, observer=heard, **arguments), heard)


def entry_id(result: Result) -> str:
    """Give the entry id of a result that must be one."""
    assert isinstance(result, Appended | Duplicate), repr(result)
    return result.entry_id


@contextmanager
def store_url(name: str, get: Callable[[str], Server]) -> Iterator[str]:
    """Give the URL of an empty real server, looked through for stray keys afterwards."""
    lending = empty_server(get(name))
    yield next(lending).url
    for _ in lending:
        pass


@pytest.fixture(
    params=[
        "fake",
        pytest.param("valkey", marks=pytest.mark.redis),
        pytest.param("redis", marks=pytest.mark.redis),
    ]
)
async def client(
    request: pytest.FixtureRequest, shared_servers: Callable[[str], Server]
) -> AsyncIterator[Redis]:
    """A client of an empty store: the one in memory, or a real server."""
    if request.param == "fake":
        fake = fake_store()
        yield fake
        await fake.aclose()
        return
    with store_url(request.param, shared_servers) as url:
        real = connect(url, role="test", connections=20)
        yield real
        await real.aclose()


@pytest.fixture
async def bench(client: Redis) -> AsyncIterator[Bench]:
    """An appender over an empty store."""
    made = make_bench(client)
    yield made
    await made.appender.stop()


async def test_a_new_event_is_appended_as_it_is(bench: Bench) -> None:
    """The entry holds the event, its stream is registered, and its identity is remembered."""
    identified = make_identified("evt_1", data=b"\x00\xff\r\n")

    (result,) = await bench.append(identified)

    assert isinstance(result, Appended)
    assert await bench.events() == {result.entry_id: identified.event}
    assert await bench.streams() == {"message.new": f"1 {result.entry_id}"}
    assert bench.heard.new_streams == [("unipile", "message.new")]
    assert len(await bench.marks()) == 1


async def test_a_repeat_is_answered_with_the_first_entry(bench: Bench) -> None:
    """However often an event comes, it has one entry, and every answer names it."""
    (first,) = await bench.append(make_identified("evt_1"))

    repeats = [(await bench.append(make_identified("evt_1")))[0] for _ in range(3)]

    assert repeats == [Duplicate(entry_id(first))] * 3
    assert len(await bench.events()) == 1
    assert bench.heard.changed == []


async def test_a_known_id_with_another_body_is_told(bench: Bench) -> None:
    """The second body is dropped, answered as a duplicate, and reported."""
    (first,) = await bench.append(make_identified("evt_1", data=b"one"))

    (second,) = await bench.append(make_identified("evt_1", data=b"two"))

    assert second == Duplicate(entry_id(first), changed_body=True)
    assert [event.data for event in (await bench.events()).values()] == [b"one"]
    assert bench.heard.changed == ["unipile"]


async def test_a_repeat_within_the_batch_is_a_duplicate(bench: Bench) -> None:
    """Two deliveries of one event in the same flush make one entry."""
    first, second, other = await bench.append(
        make_identified("evt_1"), make_identified("evt_1"), make_identified("evt_2")
    )

    assert isinstance(first, Appended)
    assert second == Duplicate(first.entry_id)
    assert isinstance(other, Appended)
    assert len(await bench.events()) == 2
    assert bench.heard.flushes == [3]


async def test_an_id_is_known_across_types(bench: Bench) -> None:
    """The identity is the endpoint's: the same id under another type is the same event."""
    (first,) = await bench.append(make_identified("evt_1", "message.new"))

    (second,) = await bench.append(make_identified("evt_1", "email.new"))

    assert entry_id(second) == entry_id(first)
    assert await bench.events("email.new") == {}


async def test_an_id_is_not_known_in_another_tag(bench: Bench) -> None:
    """Two endpoints may use the same ids."""
    results = await bench.append(
        make_identified("evt_1", tag="unipile"), make_identified("evt_1", tag="github")
    )

    assert [type(result) for result in results] == [Appended, Appended]


async def test_a_stream_of_another_type_fails_its_own_event_alone(bench: Bench) -> None:
    """A key that is no stream spoils its event and no neighbour, and leaves no mark."""
    await bench.client.set(KEYS.stream("unipile", "bad"), "x", ex=60)

    good, bad, other = await bench.append(
        make_identified("evt_1"), make_identified("evt_2", "bad"), make_identified("evt_3")
    )

    assert [type(result) for result in (good, other)] == [Appended, Appended]
    assert isinstance(bad, StoreUnavailable)
    assert len(await bench.events()) == 2
    assert len(await bench.marks()) == 2
    assert "bad" not in await bench.streams()

    await bench.client.delete(KEYS.stream("unipile", "bad"))
    (again,) = await bench.append(make_identified("evt_2", "bad"))
    assert isinstance(again, Appended)


async def test_a_mark_of_another_type_is_an_error_and_not_unknown(bench: Bench) -> None:
    """An identity that cannot be looked up is refused; appending could make a second entry."""
    await bench.append(make_identified("evt_1"))
    (mark,) = await bench.marks()
    await bench.client.delete(mark)
    await bench.client.hset(mark, "a", "b")
    await bench.client.expire(mark, 60)

    refused, other = await bench.append(make_identified("evt_1"), make_identified("evt_2"))

    assert isinstance(refused, StoreUnavailable)
    assert isinstance(other, Appended)
    assert sorted(event.id for event in (await bench.events()).values()) == ["evt_1", "evt_2"]


async def test_a_mark_in_another_form_is_an_error_and_not_unknown(bench: Bench) -> None:
    """A mark that was not written by this script is not taken for anything."""
    await bench.append(make_identified("evt_1"))
    (mark,) = await bench.marks()
    await bench.client.set(mark, "x", ex=60)

    (refused,) = await bench.append(make_identified("evt_1"))

    assert isinstance(refused, StoreUnavailable)
    assert len(await bench.events()) == 1


async def test_books_of_another_type_refuse_and_leave_nothing(bench: Bench) -> None:
    """Where the registration cannot be read nothing is written and nothing remembered."""
    await bench.client.set(KEYS.streams("unipile"), "x", ex=60)

    (refused,) = await bench.append(make_identified("evt_1"))

    assert isinstance(refused, StoreUnavailable)
    assert await bench.events() == {}
    assert await bench.marks() == set()


async def test_an_event_whose_stream_was_deleted_is_appended_again(bench: Bench) -> None:
    """A mark that points to nothing is no reason to drop the event."""
    (first,) = await bench.append(make_identified("evt_1"))
    await bench.delete_stream()

    (again,) = await bench.append(make_identified("evt_1"))
    (repeat,) = await bench.append(make_identified("evt_1"))

    assert isinstance(again, Appended)
    assert repeat == Duplicate(again.entry_id)
    assert list(await bench.events()) == [again.entry_id]
    assert await bench.streams() == {"message.new": f"1 {again.entry_id}"}
    assert entry_id(first) != again.entry_id
    assert bench.heard.new_streams == [("unipile", "message.new")] * 2


async def test_an_event_from_before_the_present_stream_is_appended_again(bench: Bench) -> None:
    """A stream that was deleted and begun anew does not hold what came before."""
    await bench.append(make_identified("evt_1"))
    await bench.delete_stream()
    (newer,) = await bench.append(make_identified("evt_2"))

    (again,) = await bench.append(make_identified("evt_1"))

    assert isinstance(again, Appended)
    assert list(await bench.events()) == [entry_id(newer), again.entry_id]
    assert await bench.streams() == {"message.new": f"1 {entry_id(newer)}"}


@pytest.mark.parametrize("left", [None, "not of our form"])
async def test_lost_books_do_not_make_repeats_new(bench: Bench, left: str | None) -> None:
    """A stream that the books have lost is written into them again, from its first entry on."""
    (first,) = await bench.append(make_identified("evt_1"))
    await bench.client.delete(KEYS.streams("unipile"))
    if left is not None:
        await bench.client.hset(KEYS.streams("unipile"), "message.new", left)

    (repeat,) = await bench.append(make_identified("evt_1"))
    await bench.append(make_identified("evt_2"))
    (later,) = await bench.append(make_identified("evt_1"))

    assert [repeat, later] == [Duplicate(entry_id(first))] * 2
    assert len(await bench.events()) == 2
    assert (await bench.streams())["message.new"].endswith(f" {entry_id(first)}")


async def test_types_are_numbered_as_they_come(bench: Bench) -> None:
    """Each stream's registration has its own number and its first entry id."""
    first, second = await bench.append(make_identified("1", "a"), make_identified("2", "b"))
    await bench.append(make_identified("3", "a"))

    assert await bench.streams() == {"a": f"1 {entry_id(first)}", "b": f"2 {entry_id(second)}"}
    assert bench.heard.new_streams == [("unipile", "a"), ("unipile", "b")]


async def test_types_beyond_the_limit_are_unidentified(bench: Bench) -> None:
    """A tag with all the types it may have stores further ones together, their type kept."""
    await bench.append(make_identified("1", "a", max_types=2), make_identified("2", "b"))

    (result,) = await bench.append(make_identified("3", "c", max_types=2))

    (event,) = (await bench.events("unidentified")).values()
    assert isinstance(result, Appended)
    assert (event.id, event.type, event.original_type) == ("3", "unidentified", "c")
    assert event.data == b"body of 3"
    assert set(await bench.streams()) == {"a", "b", "unidentified"}
    assert await bench.events("c") == {}
    assert bench.heard.misplacements == ["unipile"]


async def test_known_types_go_on_beyond_the_limit(bench: Bench) -> None:
    """The limit is on new types only."""
    await bench.append(make_identified("1", "a", max_types=1))

    await bench.append(make_identified("2", "a", max_types=1))

    assert len(await bench.events("a")) == 2
    assert bench.heard.misplacements == []


async def test_events_beyond_the_limit_are_known_too(bench: Bench) -> None:
    """A repeat of a misplaced event is a duplicate, whatever was misplaced after it."""
    await bench.append(make_identified("1", "a", max_types=1))
    (second,) = await bench.append(make_identified("2", "b", max_types=1))
    await bench.append(make_identified("3", "c", max_types=1))

    (repeat,) = await bench.append(make_identified("2", "b", max_types=1))

    assert repeat == Duplicate(entry_id(second))
    assert len(await bench.events("unidentified")) == 2
    assert bench.heard.new_streams == [("unipile", "a"), ("unipile", "unidentified")]


async def test_unproved_events_have_an_index_of_their_own(bench: Bench) -> None:
    """A stranger who guesses an id cannot suppress the sender's event, nor the reverse."""
    await bench.append(make_identified("evt_0"))
    (stranger,) = await bench.append(make_identified("evt_1", assurance="none"))
    (sender,) = await bench.append(make_identified("evt_1"))
    (again,) = await bench.append(make_identified("evt_1", assurance="none"))

    assert [type(one) for one in (stranger, sender)] == [Appended, Appended]
    assert again == Duplicate(entry_id(stranger))
    assert {name.partition("@")[2].partition(":")[0] for name in await bench.marks()} == {
        "seen",
        "seen-none",
    }


async def test_unproved_events_register_no_type(bench: Bench) -> None:
    """What nothing proves makes no stream of its own; a known type may be its home."""
    await bench.append(make_identified("1", "known"))

    await bench.append(
        make_identified("2", "known", assurance="none"),
        make_identified("3", "invented", assurance="none"),
    )

    assert len(await bench.events("known")) == 2
    assert await bench.events("invented") == {}
    (event,) = (await bench.events("unidentified")).values()
    assert (event.id, event.original_type) == ("3", "invented")
    assert set(await bench.streams()) == {"known", "unidentified"}


async def test_the_mark_ends_with_the_window(bench: Bench) -> None:
    """After the window the same id is a new event, and until then the mark has an end."""
    (first,) = await bench.append(make_identified("evt_1", window_seconds=3600))
    (mark,) = await bench.marks()
    left_ms = await bench.client.pttl(mark)

    await bench.client.pexpire(mark, 1)
    await wait_until(lambda: _gone(bench, mark), description="the mark expired")
    (second,) = await bench.append(make_identified("evt_1"))

    assert 3_500_000 < left_ms <= 3_600_000
    assert isinstance(second, Appended)
    assert second.entry_id != entry_id(first)


async def _gone(bench: Bench, key: str) -> bool:
    return await bench.client.exists(key) == 0


async def test_a_forgotten_script_is_sent_again(bench: Bench) -> None:
    """A store that has lost its scripts, as after a restart, gets the script with the events."""
    await bench.append(make_identified("evt_1"))
    await bench.client.script_flush()

    results = await bench.append(
        make_identified("evt_1"), make_identified("evt_2"), make_identified("evt_3", tag="github")
    )

    assert [type(result) for result in results] == [Duplicate, Appended, Appended]
    assert len(await bench.events()) == 2


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
    send, under_way, may_end = bench.appender._pipelined, asyncio.Event(), asyncio.Event()

    async def held_up(*arguments: Any) -> list[Any]:
        under_way.set()
        await may_end.wait()
        return await send(*arguments)

    monkeypatch.setattr(bench.appender, "_pipelined", held_up)
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


async def test_an_event_outlives_its_caller(bench: Bench) -> None:
    """A sender that hangs up does not take its event back."""
    call = asyncio.create_task(bench.appender.append(make_identified("evt_1")))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait({call})

    await bench.appender.stop()

    assert call.cancelled()
    assert [event.id for event in (await bench.events()).values()] == ["evt_1"]


async def test_stop_returns_when_all_is_answered(client: Redis) -> None:
    """Stopping sends what waits, in as many flushes as it takes."""
    bench = make_bench(client, limits=Limits(batch_events=2))
    calls = [asyncio.create_task(bench.appender.append(make_identified(f"e{n}"))) for n in range(7)]
    await asyncio.sleep(0)

    await bench.appender.stop()
    await bench.appender.stop()

    assert len(await bench.events()) == 7
    assert [type(result) for result in await asyncio.gather(*calls)] == [Appended] * 7


async def test_a_lost_reply_makes_no_second_entry(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a batch whose reply never came was stored is found out by sending it again."""
    send = bench.appender._pipelined
    lost: list[Any] = []

    async def lossy(*arguments: Any) -> list[Any]:
        replies = await send(*arguments)
        if len(lost) < 2:
            lost.append(replies)
            raise RedisConnectionError
        return replies

    monkeypatch.setattr(bench.appender, "_pipelined", lossy)

    results = await bench.append(make_identified("evt_1"), make_identified("evt_2"))

    assert len(lost) == 2
    assert [entry_id(result) for result in results] == list(await bench.events())
    assert bench.heard.connections == 1


async def test_an_unexpected_error_answers_everybody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug on the way to the store refuses the batch; the next is stored."""
    with monkeypatch.context() as patch:
        patch.setattr(bench.appender, "_pipelined", None)
        refused = await bench.append(make_identified("evt_1"), make_identified("evt_2"))

    (stored,) = await bench.append(make_identified("evt_1"))

    assert [type(result) for result in refused] == [StoreUnavailable] * 2
    assert isinstance(stored, Appended)


async def test_without_a_store_the_deadline_answers() -> None:
    """Where nobody listens, every waiting event is refused when its time is over."""
    client = connect(f"redis://127.0.0.1:{free_port()}", role="test")
    bench = make_bench(client, limits=Limits(deadline_seconds=0.1, batch_events=2))

    results = await bench.append(*[make_identified(f"evt_{n}") for n in range(5)])
    await client.aclose()

    assert [type(result) for result in results] == [StoreUnavailable] * 5
    assert bench.appender.waiting == 0
    assert bench.heard.flushes == []


async def test_an_event_that_waits_is_stored_when_the_store_is_back() -> None:
    """A blip shorter than the deadline costs the sender no retry."""
    server = FakeServer()
    server.connected = False
    bench = make_bench(fake_store(server), limits=Limits(deadline_seconds=60))
    call = asyncio.create_task(bench.appender.append(make_identified("evt_1")))
    await wait_until(lambda: bench.appender._failing, description="a flush failed")

    server.connected = True
    result = await call

    assert list(await bench.events()) == [result.entry_id]
    assert bench.heard.connections == 1


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


@pytest.mark.redis
async def test_a_restart_loses_nothing(own_server: Server) -> None:
    """After a kill and a restart the same appender goes on, and knows what it stored."""
    client = connect(own_server.url, role="test")
    bench = make_bench(client, limits=Limits(deadline_seconds=20))
    (first,) = await bench.append(make_identified("evt_1"))

    own_server.kill()
    calls = asyncio.gather(bench.append(make_identified("evt_1"), make_identified("evt_2")))
    await wait_until(lambda: bench.appender._failing, description="a flush failed")
    await asyncio.to_thread(own_server.start)
    ((repeat, new),) = await calls
    events = await bench.events()
    await client.aclose()

    assert repeat == Duplicate(entry_id(first))
    assert list(events) == [entry_id(first), entry_id(new)]
    assert bench.heard.connections == 1


@pytest.mark.redis
async def test_a_sleeping_store_is_not_waited_for_beyond_the_deadline(own_server: Server) -> None:
    """A store that holds the connection and says nothing gets no event lost and none doubled."""
    client = connect(own_server.url, role="test", timeout_seconds=0.2)
    bench = make_bench(client, limits=Limits(deadline_seconds=0.5))
    await bench.append(make_identified("evt_0"))

    own_server.fall_asleep()
    (refused,) = await bench.append(make_identified("evt_1"))
    own_server.wake_up()
    await wait_until(lambda: _stored(bench), description="the sender's retry got in")
    ids = [event.id for event in (await bench.events()).values()]
    await client.aclose()

    assert isinstance(refused, StoreUnavailable)
    assert ids == ["evt_0", "evt_1"]


async def _stored(bench: Bench) -> bool:
    (result,) = await bench.append(make_identified("evt_1"))
    return isinstance(result, Appended | Duplicate)
