"""``relay streams``: what each stream holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.commands import catalog
from relay.commands.options import AsJson, RedisUrl
from relay.commands.sizes import StreamSize, measure
from relay.commands.store import environment, opened, store_settings
from relay.contract.ask import Asker
from relay.contract.config import FileSettings
from relay.contract.connect import text_of
from relay.contract.display import show, time_text
from relay.contract.explain import CommandFailed
from relay.contract.loop import run
from relay.contract.patterns import parse_pattern
from relay.contract.registry import WrongType, left_out

COLUMNS = ("tag", "type", "entries", "first", "last", "bytes", "cap", "full", "groups")
EMPTY = "No stream yet. The first event of a type makes its stream; try `relay send unipile`."


def streams(redis_url: RedisUrl = None, as_json: AsJson = False) -> None:
    """Show each stream: entries, times, memory, cap and groups.

    The cap is the one of this directory's configuration, else the default; full is how much of it
    is used. With --json an array of objects with the keys endpoint, tag, type, stream, entries,
    first, last (RFC 3339 or null), bytes, max_entries, max_bytes (or null), on_full, full (1.0 is
    full) and groups (names).
    """
    wrong: list[WrongType] = []
    rows = run(_rows(store_settings(environment(), redis_url), wrong))
    if not as_json:
        rows = [row | {"cap": _cap_text(row), "full": f"{row['full']:.0%}"} for row in rows]
    show(rows, COLUMNS, as_json=as_json, empty=EMPTY)
    if wrong:
        raise CommandFailed(left_out(wrong))


async def _rows(settings: FileSettings, wrong: list[WrongType]) -> list[dict[str, object]]:
    async with opened(settings) as store:
        found = await catalog.streams(store, [parse_pattern("*:*")], wrong)
        sizes = await measure(store, found)
        asker = Asker(store.redis)
        keys = [stream.key for stream in found]
        # What was deleted since it was registered has nothing, and so has what is no stream.
        held = await asker.each(keys, lambda p, at: p.xinfo_stream(keys[at]))
        groups = await asker.each(keys, lambda p, at: p.xinfo_groups(keys[at]))
    told = zip(sizes, held, groups, strict=True)
    return [_row(size, each or {}, own or []) for size, each, own in told]


def _row(
    size: StreamSize, held: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]
) -> dict[str, object]:
    stream = size.stream
    return {
        "endpoint": stream.endpoint,
        "tag": stream.tag,
        "type": stream.event_type,
        "stream": stream.key,
        "entries": held.get("length", 0),
        "first": _time_of(held.get("first-entry")),
        "last": _time_of(held.get("last-entry")),
        "bytes": size.size_bytes,
        "max_entries": size.cap.max_entries,
        "max_bytes": size.max_bytes,
        "on_full": size.cap.on_full,
        "full": round(size.fill, 4),
        "groups": sorted(text_of(group["name"]) for group in groups),
    }


def _cap_text(row: Mapping[str, object]) -> str | None:
    bounds = [
        f"{row[key]} {unit}"
        for key, unit in (("max_entries", "entries"), ("max_bytes", "bytes"))
        if row[key]
    ]
    return f"{', '.join(bounds)}: {row['on_full']}" if bounds else None


def _time_of(entry: Any) -> str | None:  # noqa: ANN401 - as redis-py gives it
    """Read the time out of an entry's id: Redis's clock, in ms."""
    return time_text(int(text_of(entry[0]).partition("-")[0])) if entry else None
