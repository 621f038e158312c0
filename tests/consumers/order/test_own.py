"""The ownership of an ordered stream: one at a time, and a former owner changes nothing."""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers import heartbeat
from consumers.dispatch import Routes
from consumers.entry import HeldEntry
from consumers.lease import Lease
from consumers.order.behind import Behind
from consumers.order.holdings import Holdings
from consumers.order.lanes import Lane, make_room
from consumers.order.own import Grant, Ownership
from consumers.order.reader import _advance
from consumers.order.succeed import Owned, Succession
from consumers.rooms import House
from consumers.settle import Settler
from consumers.sizes import Sizes
from consumers.suspects.suspicion import Suspicion
from relay.contract.connect import ResponseError
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    append_events,
    due_times,
    full,
    histories,
    make_entry,
    make_handler,
    make_stream,
    numbered,
    pending,
    read_as,
    strikes,
    us,
)
from tests.consumers.order.test_lanes import Clock, make_lanes
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
BOOK = KEYS.owner(TAG, GROUP, TYPE)


class Process:
    """One process that would own the stream.

    Args:
        store: The store.
        name: Under which it reads.
    """

    def __init__(self, store: Redis, name: str) -> None:
        self.clock = Clock()
        self.may = True
        self.us = us(store, name)
        self.ownership = Ownership(self.us, lambda: self.may, self.clock)
        self.behind = Behind(self.us)

    async def own(self) -> Grant:
        """Become the owner."""
        grant = await self.ownership.take(STREAM)
        assert grant is not None
        return grant


@pytest.fixture
def one(store: Redis) -> Process:
    """A process."""
    return Process(store, "one")


@pytest.fixture
def two(store: Redis) -> Process:
    """Another process of the same group."""
    return Process(store, "two")


async def test_only_one_process_owns_a_stream(one: Process, two: Process) -> None:
    """The other gets nothing until it is given up; then with a higher number."""
    grant = await one.own()
    assert await two.ownership.take(STREAM) is None
    await one.ownership.give_all_up()
    second = await two.own()

    assert second.fence > grant.fence


async def test_what_has_run_out_is_taken_only_when_death_may_be_told(
    one: Process, two: Process, monkeypatch: pytest.MonkeyPatch, store: Redis
) -> None:
    """Ownerships run out during an outage too."""
    monkeypatch.setattr(heartbeat, "DEAD_SECONDS", 0.05)
    grant = await one.own()

    async def has_run_out() -> bool:
        seconds, microseconds = await store.time()
        return 1000 * seconds + microseconds // 1000 > int(await store.hget(BOOK, "until") or 0)

    await wait_until(has_run_out, description="the ownership has run out")
    two.may = False
    assert await two.ownership.take(STREAM) is None
    two.may = True
    second = await two.own()

    assert second.fence > grant.fence


async def test_what_has_run_out_is_left_while_our_own_heartbeat_is_gone(
    one: Process, two: Process, store: Redis
) -> None:
    """A machine that slept, or a store that was set back: the owner may live as we do."""
    await one.own()
    await store.hset(BOOK, "until", 1)
    house = House([make_handler(order_by="account")], make_room)
    routes = Routes(house.rooms)
    routes.add(STREAM)
    holdings = Holdings(routes, two.ownership)
    await holdings.look()
    before = dict(holdings.owned)
    await store.set(KEYS.alive(GROUP, two.us.name), "1", px=60_000)
    holdings.look_soon()
    await holdings.look()

    assert before == {}
    assert list(holdings.owned) == [STREAM.key]


async def test_a_renewed_ownership_is_not_lost(one: Process, server: Server) -> None:
    """Where it was not renewed for the dead time, another may have it."""
    grant = await one.own()
    one.clock.now = heartbeat.DEAD_SECONDS
    assert grant.lease.is_lost()
    with server.client() as client:
        one.ownership.renew(client)

    assert not grant.lease.is_lost()
    assert not grant.gone


async def test_a_former_owner_learns_of_its_successor(
    one: Process, two: Process, server: Server, store: Redis
) -> None:
    """At its next renewal."""
    grant = await one.own()
    await store.hset(BOOK, "until", 1)
    await two.own()
    with server.client() as client:
        one.ownership.renew(client)

    assert grant.gone
    assert grant.lease.is_lost()


async def test_a_book_of_a_wrong_type_costs_no_other_stream_its_owner(
    one: Process, server: Server, store: Redis
) -> None:
    """It is not ours any more; the heartbeat, which renews them all, does not fail by it."""
    lost = await one.own()
    kept = await one.ownership.take(make_stream("other"))
    assert kept is not None
    one.clock.now = heartbeat.DEAD_SECONDS
    await store.set(BOOK, "no book", px=60_000)
    with server.client() as client:
        one.ownership.renew(client)

    assert lost.gone
    assert not kept.lease.is_lost()


async def test_the_number_rises_even_where_the_book_was_lost(
    one: Process, two: Process, store: Redis
) -> None:
    """FLUSHALL must not let a former owner's number come again."""
    grant = await one.own()
    await store.flushall()
    second = await two.own()

    assert second.fence > grant.fence


async def test_an_ownership_is_taken_and_renewed_on_a_full_server(
    one: Process, two: Process, server: Server, store: Redis
) -> None:
    """Else nobody would drain it."""
    async with full(store):
        grant = await one.own()
        with server.client() as client:
            one.ownership.renew(client)
        await one.ownership.give_all_up()
        await two.own()

    assert not grant.gone


def streams(count: int) -> list[Stream]:
    """Name the streams of one type in several partitions."""
    return [make_stream(tag=f"{TAG}#{number}") for number in range(count)]


async def owned_by(process: Process, wanted: list[Stream]) -> list[Stream]:
    """Have a process ask for streams; give those that it owns now."""
    return [one for one in wanted if await process.ownership.take(one)]


async def handed_over(process: Process, server: Server, owned: list[Stream]) -> list[Stream]:
    """Have a process renew what it owns and give up what is promised to others."""
    with server.client() as client:
        process.ownership.renew(client)
    grants = process.ownership._grants
    given = [one for one in owned if grants[one.key].wanted]
    for stream in given:
        await process.ownership.give_up(stream)
    return given


async def test_a_process_that_comes_later_is_given_its_share(
    one: Process, two: Process, server: Server
) -> None:
    """Half of the streams, and then no more."""
    every = streams(8)
    assert await owned_by(one, every) == every
    await handed_over(one, server, every)
    assert await owned_by(two, every) == []
    given = await handed_over(one, server, every)
    taken = await owned_by(two, every)
    await owned_by(two, every)
    await owned_by(one, every)

    assert taken == given
    assert len(given) == 4
    assert await handed_over(one, server, [each for each in every if each not in given]) == []
    assert await handed_over(two, server, taken) == []


async def test_what_is_given_up_for_one_process_is_not_taken_by_another(
    one: Process, two: Process, server: Server, store: Redis
) -> None:
    """Not by the one that gave it up either, until the promise has run out."""
    every = streams(2)
    await owned_by(one, every)
    await handed_over(one, server, every)
    await owned_by(two, every)
    given = await handed_over(one, server, every)
    three = Process(store, "three")
    assert await owned_by(three, given) == []
    assert await owned_by(one, given) == []
    await store.hset(KEYS.owner(given[0].tag, GROUP, TYPE), "reserved", 1)

    assert len(given) == 1
    assert await owned_by(three, given) == given


async def test_a_book_of_another_type_is_refused(one: Process, store: Redis) -> None:
    """It is left as it is."""
    await store.set(BOOK, "mine", px=60_000)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await one.ownership.take(STREAM)

    assert await store.get(BOOK) == b"mine"


async def held(store: Redis, process: Process, grant: Grant, count: int = 3) -> list[HeldEntry]:
    """Have a process hold entries of one lane."""
    await append_events(store, numbered(count))
    ids = await read_as(store, process.us.name)
    return [
        HeldEntry(STREAM, entry_id, make_entry().fields, lease=grant.lease, lane="a")
        for entry_id in ids
    ]


async def put(process: Process, entries: list[HeldEntry]) -> Any:
    """Put entries into their lanes."""
    return await process.behind.put(entries)


async def park(process: Process, entries: list[HeldEntry]) -> Any:
    """Park the first entry."""
    return await Settler(process.us).park(entries[0], 1.0, "ValueError")


async def read(process: Process, entries: list[HeldEntry]) -> Any:
    """Read on."""
    fence = str(entries[0].lease.fence)
    return await _advance(process.us.redis, [STREAM.key, BOOK], GROUP, process.us.name, fence, 10)


async def inherit(process: Process, entries: list[HeldEntry]) -> Any:
    """Claim what is pending."""
    grant = Grant(BOOK, entries[0].lease.fence or 0, process.clock, 0.0)
    owned = Owned(STREAM, make_lanes(), grant, lambda *_: "a")
    owned.backlog = deque(entry.entry_id for entry in entries)
    return await succession(process, owned).claim(owned, 10)


def succession(process: Process, owned: Owned) -> Succession:
    """Make what takes over into the stream's room."""
    return Succession(process.us, owned.room._house, process.behind, Sizes())


async def draw(process: Process, entries: list[HeldEntry]) -> Any:
    """Fetch from a lane."""
    return await process.behind.draw([(Lane(STREAM, "a"), entries[0].lease)], 10)


@pytest.mark.parametrize("act", [put, park, read, inherit, draw])
async def test_a_former_owner_changes_nothing(
    act: Callable[..., Any], one: Process, two: Process, store: Redis
) -> None:
    """A process that was stalled acts on, though another owns the stream."""
    entries = await held(store, one, await one.own())
    await append_events(store, ["unread"])
    await store.hset(BOOK, "until", 1)
    await two.own()
    before = await pending(store)
    answer = await act(one, entries)

    assert answer in ([0], False, 0, [None])
    assert await pending(store) == before
    assert await store.exists(KEYS.lane(TAG, GROUP, TYPE), KEYS.park(TAG, GROUP)) == 0


async def test_what_was_put_into_a_lane_comes_back_in_order(one: Process, store: Redis) -> None:
    """On a full server too, in whatever order it was put; asking again puts nothing twice."""
    grant = await one.own()
    entries = await held(store, one, grant, 5)
    async with full(store):
        await put(one, entries[3:])
        await put(one, entries[:3])
        assert await put(one, entries) == [0]
        (drawn,) = await draw_page(one, grant.lease, 3)
        (rest,) = await draw_page(one, grant.lease, 3)

    assert [entry.entry_id for entry in drawn.entries + rest.entries] == [
        entry.entry_id for entry in entries
    ]
    assert (drawn.more, rest.more) == (True, False)
    assert set((await pending(store)).values()) == {"one"}


async def draw_page(process: Process, lease: Lease, most: int) -> list[Any]:
    """Fetch some entries from the lane."""
    return await process.behind.draw([(Lane(STREAM, "a"), lease)], most)


async def test_a_parked_head_is_fetched_alone_and_only_when_it_is_due(
    one: Process, store: Redis
) -> None:
    """What is behind it stays where it is."""
    grant = await one.own()
    first, *others = await held(store, one, grant, 3)
    assert await Settler(one.us).park(first, 60.0, "ValueError: no")
    await put(one, others)
    (waits,) = await draw_page(one, grant.lease, 10)
    await store.zadd(KEYS.park(TAG, GROUP), {first.member: 1})
    (drawn,) = await draw_page(one, grant.lease, 10)

    assert 0 < waits.wait_seconds <= 60
    assert waits.entries == []
    assert [entry.entry_id for entry in drawn.entries] == [first.entry_id]
    assert drawn.entries[0].history.attempts == 1
    assert drawn.more
    assert await store.zcard(KEYS.park(TAG, GROUP)) == 0


async def test_what_is_settled_or_deleted_leaves_its_lane(one: Process, store: Redis) -> None:
    """Acknowledged by a late owner, or removed from the stream."""
    grant = await one.own()
    entries = await held(store, one, grant, 3)
    await put(one, entries)
    for entry in entries:
        await store.hset(KEYS.attempts(TAG, GROUP), entry.member, "{}")
        await store.hset(KEYS.strikes(TAG, GROUP), entry.member, "1 0")
        await store.zadd(KEYS.park(TAG, GROUP), {entry.member: 1})
    await store.xack(STREAM.key, GROUP, entries[0].entry_id)
    await store.xdel(STREAM.key, entries[1].entry_id)
    (drawn,) = await draw_page(one, grant.lease, 10)
    name = entries[2].member

    assert [entry.entry_id for entry in drawn.entries] == [entries[2].entry_id]
    assert not drawn.more
    assert set(await pending(store)) == {entries[2].entry_id}
    assert (list(await histories(store)), list(await strikes(store))) == ([name], [name])
    assert list(await due_times(store)) == [name]


async def test_lanes_are_named_page_by_page(
    one: Process, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, however many entries it has."""
    monkeypatch.setattr("consumers.order.behind.PAGE", 2)
    members = {f"{lane}|{number:020}-{0:020}": 0 for lane in "abcde" for number in range(3)}
    await store.zadd(KEYS.lane(TAG, GROUP, TYPE), members)

    assert await one.behind.names(STREAM) == list("abcde")


async def test_what_a_dead_owner_held_is_counted_as_taken_over(
    one: Process, two: Process, store: Redis
) -> None:
    """What waited, and what this process was given unheard, is not; all keep what is known."""
    entries = await held(store, one, await one.own(), 4)
    ids = [entry.entry_id for entry in entries]
    await store.xclaim(STREAM.key, GROUP, "@park", 0, [ids[2]])
    await store.xclaim(STREAM.key, GROUP, "two", 0, [ids[3]])
    for entry in entries[1:]:
        await store.hset(KEYS.strikes(TAG, GROUP), entry.member, "3 1")
    await store.hset(BOOK, "until", 1)
    room = make_lanes()
    grant = await two.own()
    owned = Owned(STREAM, room, grant, lambda *_: "a", backlog=deque(ids), book_lost=True)
    await store.zadd(KEYS.park(TAG, GROUP), {entries[2].member: 1})
    async with full(store):
        await succession(two, owned).claim(owned, 10)

    assert await store.exists(KEYS.park(TAG, GROUP)) == 0
    assert [entry.suspicion for entry in room.drain()] == [
        Suspicion(1, 0),
        Suspicion(4, 1),
        Suspicion(3, 1),
        Suspicion(3, 1),
    ]
    assert (await strikes(store))[entries[0].member] == "1 0"


async def test_many_entries_are_taken_over_in_pages(
    one: Process, two: Process, store: Redis
) -> None:
    """What comes in tells how large entries are; before that only a few are asked for."""
    entries = await held(store, one, await one.own(), 600)
    ids = [entry.entry_id for entry in entries]
    await store.hset(BOOK, "until", 1)
    room = make_lanes(read_ahead=1000)
    owned = Owned(STREAM, room, await two.own(), lambda *_: "a", backlog=deque(ids))
    taking, pages = succession(two, owned), 0
    while owned.backlog:
        assert await taking.claim(owned, room.free)
        pages += 1

    assert [entry.entry_id for entry in room.drain()] == ids
    assert pages < 50


@pytest.mark.parametrize("book", [KEYS.park, KEYS.attempts])
async def test_a_book_of_a_wrong_type_leaves_what_waits_where_it_is(
    book: Callable[[str, str], str], one: Process, store: Redis
) -> None:
    """Neither a lane's entries nor a former owner's are taken half-way."""
    grant = await one.own()
    entries = await held(store, one, grant, 3)
    await put(one, entries[1:])
    await store.xclaim(STREAM.key, GROUP, "dead", 0, [entries[0].entry_id])
    await store.set(book(TAG, GROUP), "no book", px=60_000)
    before = await pending(store)
    (drawn,) = await draw_page(one, grant.lease, 10)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await inherit(one, entries)

    assert isinstance(drawn, ResponseError)
    assert await pending(store) == before
    assert await store.zcard(KEYS.lane(TAG, GROUP, TYPE)) == 2


async def test_what_comes_out_of_a_lane_is_as_suspect_as_before(one: Process, store: Redis) -> None:
    """It must still run alone."""
    grant = await one.own()
    entries = await held(store, one, grant, 2)
    await store.hset(KEYS.strikes(TAG, GROUP), entries[1].member, "3 1")
    await put(one, entries)
    (drawn,) = await draw_page(one, grant.lease, 10)

    assert [entry.suspicion for entry in drawn.entries] == [Suspicion(), Suspicion(3, 1)]
