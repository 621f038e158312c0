"""``relay streams``: what each stream holds."""

from typing import Any

import typer

from relay.commands import catalog
from relay.commands.options import AsJson, RedisUrl
from relay.commands.store import Store, environment, opened, store_settings
from relay.contract.config import FileSettings
from relay.contract.connect import ResponseError, text_of
from relay.contract.display import show, time_text
from relay.contract.loop import run
from relay.contract.patterns import parse_pattern
from relay.contract.stream import Stream

COLUMNS = ("tag", "type", "entries", "first", "last", "bytes", "groups")
EMPTY = "No stream yet. The first event of a type makes its stream; try `relay send unipile`."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("streams")(streams)


def streams(redis_url: RedisUrl = None, as_json: AsJson = False) -> None:
    """Show each stream: entries, time of the first and last, memory, consumer groups.

    With --json an array of objects with the keys endpoint, tag, type, stream, entries, first,
    last (RFC 3339 or null), bytes (or null) and groups (names).
    """
    rows = run(_rows(store_settings(environment(), redis_url)))
    show(rows, COLUMNS, as_json=as_json, empty=EMPTY)


async def _rows(settings: FileSettings) -> list[dict[str, object]]:
    async with opened(settings) as store:
        found = await catalog.streams(store, [parse_pattern("*:*")])
        return [await _row(store, stream) for stream in found]


async def _row(store: Store, stream: Stream) -> dict[str, object]:
    held = await _held(store, stream.key)
    return {
        "endpoint": stream.endpoint,
        "tag": stream.tag,
        "type": stream.event_type,
        "stream": stream.key,
        "entries": held.get("length", 0),
        "first": _time_of(held.get("first-entry")),
        "last": _time_of(held.get("last-entry")),
        "bytes": await _bytes(store, stream.key),
        "groups": await _groups(store, stream.key),
    }


async def _held(store: Store, key: str) -> dict[str, Any]:
    try:
        return dict(await store.redis.xinfo_stream(key))
    except ResponseError:
        return {}  # registered, and deleted since, or something else stands there


async def _groups(store: Store, key: str) -> list[str]:
    try:
        groups = await store.redis.xinfo_groups(key)
    except ResponseError:
        return []
    return sorted(text_of(group["name"]) for group in groups)


async def _bytes(store: Store, key: str) -> int | None:
    try:
        size = await store.redis.memory_usage(key)
    except ResponseError:  # managed servers may not permit it
        return None
    return None if size is None else int(size)


def _time_of(entry: Any) -> str | None:  # noqa: ANN401 - as redis-py gives it
    """Read the time out of an entry's id: Redis's clock, in ms."""
    return time_text(int(text_of(entry[0]).partition("-")[0])) if entry else None
