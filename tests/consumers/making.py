"""Handlers, streams and held entries for tests, complete but for what the test is about."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from consumers.consumer import Consumer
from consumers.entry import HeldEntry, History
from consumers.event import Event
from consumers.outcome import Outcome
from consumers.retry import Retry
from consumers.rooms import House, Room
from consumers.suspects.suspicion import INNOCENT, Suspicion
from consumers.worker import Handler
from relay.append import Appender
from relay.contract.cluster import at
from relay.contract.connect import OutOfMemoryError, text_of
from relay.contract.entry import encode
from relay.contract.keys import Keys, member
from relay.contract.patterns import parse_pattern
from relay.contract.stream import Stream
from tests.making import make_event, make_identified

KEYS = Keys()
TAG = "unipile"
GROUP = "crm"
US = "us"
TYPE = "message.new"


async def do_nothing(event: Event) -> None:
    """Handle an event without any effect."""


def make_handler(
    function: Any = do_nothing,
    pattern: str = f"{TAG}:{TYPE}",
    **changes: Any,
) -> Handler:
    """Make a handler; the arguments are attributes that matter to the test."""
    values: dict[str, Any] = {
        "retry": Retry(),
        "timeout_seconds": 60.0,
        "concurrency": 10,
        "read_ahead": 100,
        "accept_unverified": False,
    }
    return Handler(pattern=parse_pattern(pattern), function=function, **(values | changes))


def make_room(handler: Handler | None = None) -> Room:
    """Make the room of one handler, in a house of its own."""
    (room,) = House([handler or make_handler()]).rooms
    return room


def us(store: Redis, name: str = US) -> Consumer:
    """Make this process a consumer of the tests' group."""
    return Consumer(store, KEYS, GROUP, name)


def make_stream(event_type: str = TYPE, tag: str = TAG) -> Stream:
    """Name a stream."""
    return Stream(tag, event_type, KEYS.stream(tag, event_type))


def fields_for(event_id: str = "evt_1", **changes: Any) -> dict[bytes, bytes]:
    """Give an entry's fields as the store would; the arguments are attributes of the event."""
    flat = encode(make_event(id=event_id, **changes))
    raw = [part if isinstance(part, bytes) else part.encode() for part in flat]
    return dict(zip(raw[::2], raw[1::2], strict=True))


def make_entry(
    entry_id: str = "1-0",
    *,
    stream: Stream | None = None,
    fields: dict[bytes, bytes] | None = None,
    history: History | None = None,
    suspicion: Suspicion = INNOCENT,
) -> HeldEntry:
    """Make an entry that this process holds."""
    return HeldEntry(
        stream or make_stream(),
        entry_id,
        fields_for() if fields is None else fields,
        history or History(),
        suspicion=suspicion,
    )


def make_seen(**changes: Any) -> Event:
    """Make an event as a handler sees it."""
    return Event(make_event(**changes), entry_id="1-0", attempt=1)


def name_of(outcome: Outcome) -> str:
    """Give the kind of an outcome, for tables."""
    return type(outcome).__name__


# What the store holds.


async def append_events(
    store: Redis, event_ids: Iterable[str], event_type: str = TYPE, tag: str = TAG
) -> list[str]:
    """Append events as the gateway does, make their tag known, and give the entry ids."""
    await store.sadd(KEYS.tags, tag)
    appender = Appender(at(store, KEYS.streams(tag)), KEYS)
    identified = [make_identified(event_id, event_type, tag=tag) for event_id in event_ids]
    results = await asyncio.gather(*(appender.append(each) for each in identified))
    await appender.stop()
    return [result.entry_id for result in results]


async def read_as(
    store: Redis, consumer: str, stream: Stream | None = None, *, group: str = GROUP
) -> list[str]:
    """Have a consumer read all that its group was not given yet; make the group if need be."""
    stream = stream or make_stream()
    if not any(text_of(found["name"]) == group for found in await store.xinfo_groups(stream.key)):
        await store.xgroup_create(stream.key, group, id="0")
    reply: Any = await store.xreadgroup(group, consumer, {stream.key: ">"}, count=100_000)
    return [text_of(entry_id) for entry_id, _ in reply[0][1]] if reply else []


async def pending(
    store: Redis, stream: Stream | None = None, *, group: str = GROUP
) -> dict[str, str]:
    """Say under which consumer each pending entry is."""
    rows: Any = await store.xpending_range((stream or make_stream()).key, group, "-", "+", 100_000)
    return {text_of(row["message_id"]): text_of(row["consumer"]) for row in rows}


async def consumers_of(
    store: Redis, stream: Stream | None = None, *, group: str = GROUP
) -> set[str]:
    """Name the consumers of a group."""
    found = await store.xinfo_consumers((stream or make_stream()).key, group)
    return {text_of(consumer["name"]) for consumer in found}


async def due_times(store: Redis, tag: str = TAG, group: str = GROUP) -> dict[str, int]:
    """Say when each parked entry is due, ms since the epoch, by its name in the books."""
    rows: Any = await store.zrange(KEYS.park(tag, group), 0, -1, withscores=True)
    return {text_of(name): int(score) for name, score in rows}


async def histories(store: Redis, tag: str = TAG, group: str = GROUP) -> dict[str, bytes]:
    """Give the written history of each entry that has one, by its name in the books."""
    found: Any = await store.hgetall(KEYS.attempts(tag, group))
    return {text_of(name): value for name, value in found.items()}


async def strikes(store: Redis, tag: str = TAG, group: str = GROUP) -> dict[str, str]:
    """Give what is written against each entry, by its name in the books."""
    found: Any = await store.hgetall(KEYS.strikes(tag, group))
    return {text_of(name): text_of(value) for name, value in found.items()}


async def dead_letters(
    store: Redis, tag: str = TAG, group: str = GROUP
) -> list[dict[bytes, bytes]]:
    """Give the fields of a group's dead letters, oldest first."""
    found: Any = await store.xrange(KEYS.dead(tag, group))
    return [dict(fields) for _, fields in found]


async def now_ms(store: Redis) -> int:
    """Ask the store for the time."""
    seconds, microseconds = await store.time()
    return 1000 * seconds + microseconds // 1000


def in_books(entry_id: str, event_type: str = TYPE) -> str:
    """Name an entry as the books do."""
    return member(entry_id, event_type)


@asynccontextmanager
async def full(store: Redis) -> AsyncIterator[None]:
    """Have a server within the block that refuses whatever needs memory."""
    await store.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        await store.set("relay:@probe", "1", px=1000)
    yield
    await store.config_set("maxmemory", 0)


def numbered(count: int, prefix: str = "evt") -> list[str]:
    """Name some events."""
    return [f"{prefix}_{number}" for number in range(count)]


async def unless_uncounted(store: Redis, unread: int) -> int | None:
    """Give what is seen of a number of unread entries: servers before 7.0 do not count them."""
    server = await store.info("server")
    return unread if int(server["redis_version"].partition(".")[0]) >= 7 else None
