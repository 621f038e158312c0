"""``relay streams``: what each stream holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from relay.commands import catalog
from relay.commands.options import AsJson, RedisUrl
from relay.commands.store import environment, opened, store_settings
from relay.contract.ask import Asker
from relay.contract.config import FileSettings
from relay.contract.connect import text_of
from relay.contract.display import show, time_text
from relay.contract.explain import CommandFailed
from relay.contract.loop import run
from relay.contract.patterns import parse_pattern
from relay.contract.registry import WrongType, left_out
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
    wrong: list[WrongType] = []
    rows = run(_rows(store_settings(environment(), redis_url), wrong))
    show(rows, COLUMNS, as_json=as_json, empty=EMPTY)
    if wrong:
        raise CommandFailed(left_out(wrong))


async def _rows(settings: FileSettings, wrong: list[WrongType]) -> list[dict[str, object]]:
    async with opened(settings) as store:
        asker = Asker(store.redis)
        found = await catalog.streams(store, [parse_pattern("*:*")], wrong)
        keys = [stream.key for stream in found]
        # What was deleted since it was registered has nothing, and so has what is no stream; and
        # managed servers may not permit to ask for the memory.
        held = await asker.each(keys, lambda p, at: p.xinfo_stream(keys[at]))
        groups = await asker.each(keys, lambda p, at: p.xinfo_groups(keys[at]))
        sizes = await asker.each(keys, lambda p, at: p.memory_usage(keys[at]))
    told = zip(found, held, groups, sizes, strict=True)
    return [_row(stream, each or {}, own or [], size) for stream, each, own, size in told]


def _row(
    stream: Stream, held: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], size: int | None
) -> dict[str, object]:
    return {
        "endpoint": stream.endpoint,
        "tag": stream.tag,
        "type": stream.event_type,
        "stream": stream.key,
        "entries": held.get("length", 0),
        "first": _time_of(held.get("first-entry")),
        "last": _time_of(held.get("last-entry")),
        "bytes": size,
        "groups": sorted(text_of(group["name"]) for group in groups),
    }


def _time_of(entry: Any) -> str | None:  # noqa: ANN401 - as redis-py gives it
    """Read the time out of an entry's id: Redis's clock, in ms."""
    return time_text(int(text_of(entry[0]).partition("-")[0])) if entry else None
