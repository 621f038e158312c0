"""Dead letters for tests, as setting aside writes them."""

from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

from relay.contract.connect import text_of
from tests.consumers.making import GROUP, KEYS, TAG, TYPE, fields_for

# What is added to an event when it is set aside, in this order.
ADDED = {
    b"entryid": b"5-0",
    b"reason": b"attempts_spent",
    b"attempts": b"8",
    b"lasterror": b"ValueError: last",
    b"firsterror": b"KeyError: first",
}


def letter_for(event_id: str, added: dict[bytes, bytes] | None = None, **changes: Any) -> Any:
    """Give a letter's fields; the arguments are attributes of the event."""
    return fields_for(event_id, **changes) | ADDED | (added or {})


async def set_aside(store: Redis, *letters: Any, tag: str = TAG, group: str = GROUP) -> list[str]:
    """Put letters, or events by their id, into a group's dead letters, and give the letters' ids.

    The tag becomes known, and so do the types; the group is one of the configured.
    """
    await store.sadd(KEYS.tags, tag)
    await store.hset(KEYS.streams(tag), TYPE, "1 1-0")
    await store.hset(KEYS.groups(tag), group, '1 ["*:*"]')
    pipeline = store.pipeline(transaction=False)
    for letter in letters:
        fields = letter_for(letter) if isinstance(letter, str) else letter
        pipeline.xadd(KEYS.dead(tag, group), fields)
    return [text_of(letter_id) for letter_id in await pipeline.execute()]


async def register(store: Redis, event_types: Iterable[str], tag: str = TAG) -> None:
    """Make types known."""
    await store.hset(KEYS.streams(tag), mapping=dict.fromkeys(event_types, "1 1-0"))


async def left(store: Redis, tag: str = TAG, group: str = GROUP) -> list[str]:
    """Give the event ids of the letters that there are, oldest first."""
    found: Any = await store.xrange(KEYS.dead(tag, group))
    return [text_of(fields[b"id"]) for _, fields in found]


async def given_again(
    store: Redis, event_type: str = TYPE, tag: str = TAG, group: str = GROUP
) -> list[dict[bytes, bytes]]:
    """Give what a group is given again of a type, oldest first."""
    found: Any = await store.xrange(KEYS.again(tag, group, event_type))
    return [fields for _, fields in found]


async def ids_again(store: Redis, **where: str) -> list[str]:
    """Give the event ids of what a group is given again."""
    return [text_of(fields[b"id"]) for fields in await given_again(store, **where)]
