"""What a worker's parts do where tags lie on several servers."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers import heartbeat as beating
from consumers.blocking import BlockingConnection
from consumers.dispatch import Routes
from consumers.entry import History
from consumers.heartbeat import Heartbeat
from consumers.operations.groups.let_go import let_go
from consumers.order.holdings import Holdings
from consumers.order.lanes import make_room as make_room_of
from consumers.order.own import Grant, Ownership
from consumers.order.watch import TagWatches
from consumers.retry import Acknowledge
from consumers.rooms import House
from consumers.settle import Settler
from consumers.trim import Trimmer
from consumers.unipile import gaps
from relay.contract.cluster import ClusterMoving, address_of, at
from relay.contract.connect import RedisError, connect, send_command
from relay.contract.connect_sync import connect_sync
from relay.contract.keys import member
from relay.contract.stream import Stream
from tests.clusters import Node, SixNodes
from tests.consumers.cluster.town import owner_of, tags_of
from tests.consumers.making import (
    GROUP,
    KEYS,
    US,
    append_events,
    make_entry,
    make_handler,
    make_room,
    make_stream,
    pending,
    read_as,
    us,
)
from tests.consumers.unipile.accounts_model import Told
from tests.consumers.unipile.watching import store_statuses, until_announced
from tests.consumers.working import running
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.alone]


def elsewhere(six: SixNodes, *others: str) -> str:
    """Name a tag that lies on another server than these."""
    theirs = [owner_of(six, tag) for tag in others]
    return next(tag for tag in tags_of(six) if owner_of(six, tag) not in theirs)


def move(six: SixNodes, tag: str, goal: Node) -> None:
    """Have a tag lie elsewhere, with all that it has."""
    slot = six.slot_of(KEYS.streams(tag))
    source = six.begin_move(slot, goal)
    while six.move_keys(slot, source, goal):
        pass
    six.end_move(slot, goal)


async def blocked(connection: BlockingConnection, key: str) -> Any:
    """Read from a key until somebody ends it."""
    return await connection.execute("XREAD", "BLOCK", 60_000, "STREAMS", key, "0")


async def until_blocked(node: Node) -> None:
    """Wait until a client is blocked at a server."""

    def is_blocked() -> bool:
        with node.client() as client:
            return int(client.info("clients")["blocked_clients"]) > 0

    await wait_until(is_blocked, description="it is blocked")


async def test_a_blocked_command_is_ended_at_the_server_where_it_blocks(
    six: SixNodes, six_store: Redis
) -> None:
    """The number of a connection means another one, or none, at every other server."""
    for tag in tags_of(six)[::2]:
        stream = make_stream(tag=tag)
        connection = BlockingConnection(six.url, "read", 60.0, KEYS.streams(tag))
        await connection.open()
        reading = asyncio.create_task(blocked(connection, stream.key))
        await until_blocked(owner_of(six, tag))
        await asyncio.wait_for(connection.unblock(six_store), 10)

        assert await asyncio.wait_for(reading, 10) is None
        await connection.aclose()


async def test_a_blocked_read_whose_slot_moves_ends_and_goes_on_elsewhere(
    six: SixNodes, six_store: Redis
) -> None:
    """At once, and not with its time: the former server says where the slot is."""
    tag = tags_of(six)[0]
    goal = owner_of(six, elsewhere(six, tag))
    await append_events(six_store, ["evt_1"], tag=tag)
    key = make_stream(tag=tag).key
    connection = BlockingConnection(six.url, "read", 60.0, KEYS.streams(tag))
    await connection.open()
    reading = asyncio.create_task(connection.execute("XREAD", "BLOCK", 60_000, "STREAMS", key, "$"))
    await until_blocked(owner_of(six, tag))
    move(six, tag, goal)
    with pytest.raises(ClusterMoving):
        await asyncio.wait_for(reading, 10)
    await connection.open()

    assert await connection.execute("XLEN", key) == 1
    await connection.aclose()


async def test_acknowledgements_of_several_servers_go_with_what_the_books_say(
    six: SixNodes, six_store: Redis
) -> None:
    """One transaction for each tag: one over all of them would be refused."""
    settler, room = Settler(us(six_store)), make_room()
    tags = tags_of(six)[::2]
    for tag in tags:
        stream = make_stream(tag=tag)
        (entry_id,) = await append_events(six_store, [f"evt_{tag}"], tag=tag)
        await read_as(six_store, US, stream)
        name = member(entry_id, stream.event_type)
        await six_store.hset(KEYS.attempts(tag, GROUP), name, "1")
        entry = make_entry(entry_id, stream=stream, history=History(1, "ValueError"))
        room.put(entry)
        await settler.settle(entry, room, Acknowledge())
    with capture_logs() as logs:
        await settler.flush()

    assert [await pending(six_store, make_stream(tag=tag)) for tag in tags] == [{}, {}, {}]
    assert [await six_store.exists(KEYS.attempts(tag, GROUP)) for tag in tags] == [0, 0, 0]
    assert logs == []
    assert room.held == 0


async def test_a_server_that_is_away_keeps_no_acknowledgement_of_another(
    six: SixNodes, six_store: Redis
) -> None:
    """Its own are sent again until it, or its replica, takes them."""
    away, there = tags_of(six)[0], elsewhere(six, tags_of(six)[0])
    settler, room = Settler(us(six_store)), make_room()
    for tag in (away, there):
        (entry_id,) = await append_events(six_store, [f"evt_{tag}"], tag=tag)
        await read_as(six_store, US, make_stream(tag=tag))
        room.put(make_entry(entry_id, stream=make_stream(tag=tag)))
    entries = room.drain()
    victim = owner_of(six, away)
    victim.fall_asleep()
    try:
        for entry in entries:
            settler.acknowledge(entry, room)
        await wait_until(lambda: room.held == 1, description="one is stored")
        held = room.held
    finally:
        victim.wake_up()
    await settler.flush()

    assert (held, room.held) == (1, 0)


async def test_a_new_primary_is_a_restart_to_those_who_would_take_over(
    six: SixNodes, six_store: Redis
) -> None:
    """Also one that has not got our own beat: others' beats have expired there."""
    key = KEYS.alive(GROUP, US)
    now = [1000.0]
    heartbeat = Heartbeat(six.url, key, lambda: now[0])
    heartbeat._beat()
    now[0] += beating.DEAD_SECONDS
    heartbeat._beat()
    before = heartbeat.may_take_over()
    ours = six.owner(six.slot_of(key))
    victim = next(node for node in six.primaries if node is not ours)
    victim.kill()
    heartbeat._beat()
    while_away = heartbeat.may_take_over()
    await wait_until(
        lambda: len(six.primaries) == 3, deadline_seconds=20, description="its replica is one"
    )
    now[0] += beating.DEAD_SECONDS
    heartbeat._beat()
    after = heartbeat.may_take_over()

    def beats_on() -> bool:
        now[0] += beating.DEAD_SECONDS
        heartbeat._beat()
        return heartbeat.may_take_over()

    await wait_until(beats_on, description="all have answered for long enough")

    assert (before, while_away, after) == (True, False, False)
    await asyncio.to_thread(heartbeat.stop)


async def test_a_server_that_is_away_costs_no_ownership_of_another_s_streams(
    six: SixNodes, six_store: Redis
) -> None:
    """They are renewed all the same, in whatever order they are asked for."""
    away = tags_of(six)[0]
    there = elsewhere(six, away)
    now = [1000.0]
    ownership = Ownership(us(six_store), lambda: True, lambda: now[0])
    grants = {}
    for tag in (away, there):
        stream = make_stream(tag=tag)
        grants[tag] = await ownership.take(stream)
    now[0] += 5.0
    client = connect_sync(six.url, timeout_seconds=1.0)
    victim = owner_of(six, away)
    # Its replica too, or that would answer for it before the beat is over.
    sleeping = [victim, six.replica_of(victim)]
    for node in sleeping:
        node.fall_asleep()
    try:
        with pytest.raises(RedisError):
            await asyncio.to_thread(ownership.renew, client)
    finally:
        for node in sleeping:
            node.wake_up()
    client.close()
    renewed = {tag: grant.renewed_at for tag, grant in grants.items() if grant is not None}

    assert renewed == {away: 1000.0, there: 1005.0}


async def test_what_is_pending_on_any_server_can_be_let_go(six: SixNodes, six_store: Redis) -> None:
    """As before a group is removed: it goes over connections of its own."""
    counts = {}
    for tag in tags_of(six)[::2]:
        await append_events(six_store, ["evt_1", "evt_2"], tag=tag)
        await read_as(six_store, US, make_stream(tag=tag))
        found = [count async for count in let_go(six_store, make_stream(tag=tag).key, GROUP)]
        counts[tag] = (found, await pending(six_store, make_stream(tag=tag)))

    assert list(counts.values()) == [([2], {})] * 3


async def test_a_server_that_is_away_keeps_no_ordered_stream_of_another_from_an_owner(
    six: SixNodes, six_store: Redis
) -> None:
    """Its own are asked for again."""
    streams = [make_stream(tag=tag) for tag in tags_of(six)[::2]]
    house = House([make_handler(pattern="*:*", order_by="account")], make_room_of)
    routes = Routes(house.rooms)
    for stream in streams:
        routes.add(stream)
    holdings = Holdings(routes, Ownership(us(six_store), lambda: False))
    victim = owner_of(six, streams[0].tag)
    victim.fall_asleep()
    try:
        with capture_logs() as logs:
            await holdings.look()
    finally:
        victim.wake_up()

    assert holdings.owned.keys() == {stream.key for stream in streams[1:]}
    assert [line["what"] for line in logs if line["event"] == "skipped"] == [streams[0].key]


async def test_a_server_that_is_away_is_asked_for_one_ordered_stream_at_a_time(
    six: SixNodes, six_store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer takes as long for each of its streams, and those of others would wait for all."""
    tags = tags_of(six)
    house = House([make_handler(pattern="*:*", order_by="account")], make_room_of)
    routes = Routes(house.rooms)
    for tag in tags:
        routes.add(make_stream(tag=tag))
    ownership = Ownership(us(six_store), lambda: False)
    asked: list[str] = []
    take = ownership.take

    async def noting(stream: Stream, *, run_out: bool) -> Grant | None:
        asked.append(stream.tag)
        return await take(stream, run_out=run_out)

    monkeypatch.setattr(ownership, "take", noting)
    victim = owner_of(six, tags[0])
    # Its replica too, or that would answer for it before the look is over.
    sleeping = [victim, six.replica_of(victim)]
    for node in sleeping:
        node.fall_asleep()
    try:
        await Holdings(routes, ownership).look()
    finally:
        for node in sleeping:
            node.wake_up()

    assert asked == [tags[0], *tags[2:]]


async def test_ordered_streams_are_waited_for_at_their_servers(
    six: SixNodes, six_store: Redis
) -> None:
    """News of one are told while the waits of the others go on."""
    tags = tags_of(six)[::2]
    streams = [make_stream(tag=tag) for tag in tags]
    client = connect(six.url, role="order", block_seconds=5.0, connections=10)
    watches = TagWatches(client, us(six_store))
    after = dict.fromkeys(streams, "0")
    nothing = await watches.news(after, 0.01)
    for node in six.primaries:
        await until_blocked(node)
    await append_events(six_store, ["evt_1"], tag=tags[1])
    told = await watches.news(after, 10.0)
    for tag in (tags[0], tags[2]):
        await until_blocked(owner_of(six, tag))
    await watches.close()
    await client.aclose()

    assert (nothing, told) == ([], [streams[1].key])


async def test_only_what_lies_on_a_server_that_is_short_of_memory_is_trimmed_early(
    six: SixNodes, six_store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settled history of the others is kept for as long as ever."""
    short = tags_of(six)[0]
    other = elsewhere(six, short)
    for tag in (short, other):
        await append_events(six_store, [f"evt_{number}" for number in range(300)], tag=tag)
        await read_as(six_store, US, make_stream(tag=tag))
        await send_command(
            six_store, "XACK", make_stream(tag=tag).key, GROUP, *await ids(six_store, tag)
        )
    trimmer = Trimmer(
        us(six_store),
        retention_seconds=3600,
        tags=lambda: [short, other],
        may_take_over=lambda: True,
    )

    async def is_short(server: Redis) -> bool:
        return address_of(server).port == owner_of(six, short).port

    monkeypatch.setattr(trimmer, "_is_short", is_short)
    await trimmer.trim(short=await trimmer._memory_is_short())

    assert await six_store.xlen(make_stream(tag=short).key) < 300
    assert await six_store.xlen(make_stream(tag=other).key) == 300
    assert at(six_store, KEYS.streams(short)) is not at(six_store, KEYS.streams(other))


async def test_gaps_of_accounts_are_announced_on_every_server(
    six: SixNodes, six_store: Redis
) -> None:
    """Each beside the statuses that showed it, wherever these lie."""
    here = tags_of(six)[0]
    tags = (here, elsewhere(six, here))
    for tag in tags:
        down = Told("acc_1", 10, "disconnected").event("evt_1")
        await store_statuses(six_store, tag, down, Told("acc_1", 20, "running").event("evt_2"))
    async with running(gaps, six.url):
        for tag in tags:
            await until_announced(six_store, tag)

    assert owner_of(six, tags[0]) is not owner_of(six, tags[1])


async def ids(store: Redis, tag: str) -> list[bytes]:
    """Give all entry ids of a tag's stream."""
    found: Any = await store.xrange(make_stream(tag=tag).key)
    return [entry_id for entry_id, _ in found]
