"""Entries that wait long: put off, looked at, made due, and given again."""

from typing import Any

from redis.asyncio import Redis

from consumers.dispatch import Routes
from consumers.entry import HeldEntry, History
from consumers.rooms import House
from consumers.waiting.again import Returns
from consumers.waiting.later import PutOff, put_off
from relay.contract.connect import text_of
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    TYPE,
    US,
    append_events,
    make_entry,
    make_handler,
    make_stream,
    read_as,
    us,
)

THREE_DAYS = 3 * 86_400.0
HISTORY = History(2, "KeyError: first", 1)


def make_again(event_type: str = TYPE, tag: str = TAG, group: str = GROUP) -> Stream:
    """Name the stream of what a group is given again of a type."""
    return Stream(tag, event_type, KEYS.again(tag, group, event_type), again=True)


async def held(
    store: Redis, *event_ids: str, event_type: str = TYPE, tag: str = TAG
) -> list[HeldEntry]:
    """Append events and have us read them."""
    stream = make_stream(event_type, tag)
    await append_events(store, event_ids, event_type, tag)
    entry_ids = await read_as(store, US, stream)
    found: Any = await store.xrange(stream.key, min=entry_ids[0])
    return [
        make_entry(text_of(entry_id), stream=stream, fields=dict(fields))
        for entry_id, fields in found
    ]


async def put_off_for_days(store: Redis, entry: HeldEntry) -> PutOff:
    """Put an entry off for three days."""
    return await put_off(us(store), entry, THREE_DAYS, HISTORY)


async def waiting_long(
    store: Redis, tag: str = TAG, group: str = GROUP
) -> list[tuple[str, dict[bytes, bytes]]]:
    """Give id and fields of everything that waits long."""
    found: Any = await store.xrange(KEYS.later(tag, group))
    return [(text_of(entry_id), dict(fields)) for entry_id, fields in found]


async def long_due(store: Redis, tag: str = TAG, group: str = GROUP) -> dict[str, int]:
    """Say when each of it is due, ms since the epoch, by its name in the books."""
    rows: Any = await store.zrange(KEYS.later_due(tag, group), 0, -1, withscores=True)
    return {text_of(name): int(score) for name, score in rows}


async def make_due(store: Redis, tag: str = TAG, group: str = GROUP) -> None:
    """Have the time pass until all of it is due."""
    for name in await long_due(store, tag, group):
        await store.zadd(KEYS.later_due(tag, group), {name: 1.0})


async def given_again(store: Redis, stream: Stream | None = None) -> dict[str, dict[bytes, bytes]]:
    """Give the entries of a stream of what is given again."""
    found: Any = await store.xrange((stream or make_again()).key)
    return {text_of(entry_id): dict(fields) for entry_id, fields in found}


def returns_for(store: Redis, *streams: Stream, tags: tuple[str, ...] = (TAG,)) -> Returns:
    """Make the duty that brings entries back; the streams are those that are read."""
    routes = Routes(House([make_handler(pattern="*:*")]).rooms)
    for stream in streams:
        routes.add(stream)
    return Returns(us(store), routes=routes, tags=lambda: tags)
