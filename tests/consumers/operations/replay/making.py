"""Streams that a group has read, and replays of them."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from consumers.operations.replay import (
    Replayed,
    ReplayPlan,
    Wanted,
    continue_replay,
    go_on,
    plan_replay,
    start_replay,
)
from relay.append import Appender
from relay.contract.connect import text_of
from relay.contract.event import IdentifiedEvent
from tests.consumers.making import GROUP, KEYS, TAG, TYPE, append_events, make_stream, read_as
from tests.making import make_identified

AGAIN = KEYS.again(TAG, GROUP, TYPE)
Hinder = Callable[[], Coroutine[Any, Any, Any]]


async def stored(
    store: Redis,
    event_ids: list[str],
    event_type: str = TYPE,
    tag: str = TAG,
    *,
    group: str = GROUP,
) -> list[str]:
    """Have a group handle some events, and give their entry ids."""
    entry_ids = await append_events(store, event_ids, event_type, tag)
    await handled(store, event_type, tag, group=group)
    return entry_ids


async def handled(
    store: Redis, event_type: str = TYPE, tag: str = TAG, *, group: str = GROUP
) -> None:
    """Have a group read and settle all that a stream holds."""
    stream = make_stream(event_type, tag)
    entry_ids = await read_as(store, "us", stream, group=group)
    for start in range(0, len(entry_ids), 1000):
        await store.xack(stream.key, group, *entry_ids[start : start + 1000])


async def stored_event(store: Redis, identified: IdentifiedEvent) -> str:
    """Append an event whose attributes matter, and give its entry id."""
    await store.sadd(KEYS.tags, identified.tag)
    appender = Appender(store, KEYS)
    result = await appender.append(identified)
    await appender.stop()
    return result.entry_id


def of_account(event_id: str, account: str) -> IdentifiedEvent:
    """Make an event of an account."""
    identified = make_identified(event_id)
    event = msgspec.structs.replace(identified.event, account=account)
    return msgspec.structs.replace(identified, event=event)


async def planned(store: Redis, **wanted: Any) -> ReplayPlan:
    """Plan a replay to the tests' group."""
    return await plan_replay(store, KEYS, Wanted(**({"group": GROUP} | wanted)))


async def begun(store: Redis, **wanted: Any) -> str:
    """Begin a replay to the tests' group."""
    return await start_replay(store, KEYS, await planned(store, **wanted))


async def replayed(store: Redis, **wanted: Any) -> Replayed:
    """Do a whole replay to the tests' group."""
    return await continue_replay(store, KEYS, await begun(store, **wanted))


async def copies(store: Redis, key: str = AGAIN) -> list[dict[bytes, bytes]]:
    """Give the fields of what a group is given again."""
    found: Any = await store.xrange(key)
    return [dict(fields) for _, fields in found]


async def copied(store: Redis, key: str = AGAIN) -> list[str]:
    """Give the event ids of what a group is given again, in its order."""
    return [text_of(fields[b"id"]) for fields in await copies(store, key)]


class Hindered:
    """The script that copies, with something that happens to each of its calls.

    Args:
        hinder: Given the call; makes it, or not.
    """

    def __init__(self, hinder: Callable[[Hinder], Coroutine[Any, Any, Any]]) -> None:
        self._hinder = hinder
        self._real = go_on._copy

    async def __call__(self, *arguments: Any) -> Any:
        """Run it, as far as it is let."""
        return await self._hinder(lambda: self._real(*arguments))


def hinder(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[Hinder], Coroutine[Any, Any, Any]]
) -> None:
    """Have something happen to each call of the script that copies."""
    monkeypatch.setattr(go_on, "_copy", Hindered(happens))


def lost() -> RedisConnectionError:
    """Say that a connection is lost."""
    return RedisConnectionError("lost")
