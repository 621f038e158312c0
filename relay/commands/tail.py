"""``relay tail``: events as they come, without a group and so without taking them from anyone."""

import base64
import re
from contextlib import aclosing
from typing import Annotated

import typer

from relay.commands.follow import Found, follow
from relay.commands.options import AsJsonLines, RedisUrl
from relay.commands.store import environment, opened, store_settings
from relay.contract.config import FileSettings
from relay.contract.display import show_line, time_text
from relay.contract.entry import decode
from relay.contract.errors import UnreadableEntry
from relay.contract.event import Event
from relay.contract.loop import run
from relay.contract.patterns import Pattern, parse_pattern

COLUMNS = ("time", "endpoint", "type", "id", "account", "bytes")
BLOCK_SECONDS = 2.0
START = re.compile(r"now|\d{1,20}(-\d{1,20})?", re.ASCII)


def _pattern(text: str) -> Pattern:
    try:
        return parse_pattern(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _start(text: str) -> str:
    if not START.fullmatch(text):
        raise typer.BadParameter("write now, 0 for everything, or an entry id such as 1796-0")
    return text


def tail(
    pattern: Annotated[
        Pattern,
        typer.Argument(
            parser=_pattern,
            metavar="PATTERN",
            help="Which streams: endpoint:type, * for any run of characters.",
        ),
    ] = "*:*",  # type: ignore[assignment]
    start: Annotated[
        str,
        typer.Option(
            "--from", callback=_start, help="now, 0 for everything stored, or an entry id."
        ),
    ] = "now",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after this many events.")] = None,
    redis_url: RedisUrl = None,
    as_json: AsJsonLines = False,
) -> None:
    """Follow streams and print a line per event.

    In it are time, endpoint, type, id, account and size. Ctrl-C ends it. With --json each line is
    an object with the keys stream, entry_id, time, endpoint, tag, type, id, account, bytes,
    assurance, content_type, content_encoding, headers and the body: data where it is UTF-8 text,
    else data_base64. An entry that is not in our form has stream, entry_id and unreadable.
    """
    settings = store_settings(environment(), redis_url)
    try:
        run(_tail(settings, pattern, start, count, as_json))
    except KeyboardInterrupt:
        return


async def _tail(
    settings: FileSettings, pattern: Pattern, start: str, count: int | None, as_json: bool
) -> None:
    async with opened(settings, block_seconds=BLOCK_SECONDS) as store:
        seen = 0
        async with aclosing(follow(store, pattern, start, BLOCK_SECONDS)) as following:
            async for found in following:
                row = _row(found, with_body=as_json)
                columns = ("stream", "entry_id", "unreadable") if "unreadable" in row else COLUMNS
                show_line(row, columns, as_json=as_json)
                seen += 1
                if seen == count:
                    return


def _row(found: Found, *, with_body: bool) -> dict[str, object]:
    place: dict[str, object] = {"stream": found.stream.key, "entry_id": found.entry_id}
    try:
        event = decode(found.fields)
    except UnreadableEntry as error:
        return place | {"unreadable": str(error)}
    row = place | {
        "time": time_text(event.received_at_ms),
        "endpoint": found.stream.endpoint,
        "tag": found.stream.tag,
        "type": event.type,
        "id": event.id,
        "account": event.account,
        "bytes": len(event.data),
        "assurance": event.assurance,
    }
    return row | _body(event) if with_body else row


def _body(event: Event) -> dict[str, object]:
    about: dict[str, object] = {
        "content_type": event.content_type,
        "content_encoding": event.content_encoding,
        "headers": dict(event.headers),
    }
    try:
        return about | {"data": event.data.decode()}
    except UnicodeDecodeError:
        return about | {"data_base64": base64.b64encode(event.data).decode()}
