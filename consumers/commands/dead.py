"""``relay dead list|show``: what a group has set aside, and why."""

import base64
from typing import Annotated

import typer

from consumers.commands.options import AsJson, RedisUrl, opened
from consumers.dead import DeadLetter, letters
from relay.contract.display import show, show_json, tell, time_text
from relay.contract.explain import CommandFailed
from relay.contract.loop import run
from relay.contract.printable import printable

# A body is shown in full.
WHOLE = 1_000_000_000
COLUMNS = ("letter", "group", "type", "id", "reason", "attempts", "set_aside", "error")
EMPTY = "No dead letters."

app = typer.Typer(no_args_is_help=True, help="Look at events that could not be handled.")

Endpoint = Annotated[str | None, typer.Option("--endpoint", help="Only of this endpoint.")]
Group = Annotated[str | None, typer.Option("--group", help="Only of this group.")]
Type = Annotated[str | None, typer.Option("--type", help="Only of this event type.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]
Letter = Annotated[
    str, typer.Argument(metavar="LETTER", help="The letter's or the event's id, from the list.")
]


@app.command("list")
def list_letters(
    endpoint: Endpoint = None,
    group: Group = None,
    event_type: Type = None,
    limit: Limit = 100,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest of each group first."""
    found = run(_list(redis_url, endpoint, group, event_type, limit))
    show([_row(letter) for letter in found], COLUMNS, as_json=as_json, empty=EMPTY)


@app.command("show")
def show_letter(
    letter: Letter,
    endpoint: Endpoint = None,
    group: Group = None,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter whole, its body included."""
    found = run(_find(redis_url, letter, endpoint, group))
    if not found:
        raise CommandFailed(f"No dead letter has the id {letter!r}; see: relay dead list")
    if len(found) > 1:
        places = ", ".join(f"{one.tag} {one.group} {one.letter_id}" for one in found)
        raise CommandFailed(f"Several have it ({places}): add --endpoint, --group or take the id")
    document = _document(found[0])
    if as_json:
        show_json(document)
        return
    for name, value in document.items():
        tell(f"{name:<20} {printable(value, WHOLE)}")


async def _list(
    redis_url: str | None,
    endpoint: str | None,
    group: str | None,
    event_type: str | None,
    limit: int,
) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    async with opened(redis_url) as (redis, keys):
        async for letter in letters(redis, keys, endpoint=endpoint, group=group):
            if event_type in {None, letter.text("type")}:
                found.append(letter)
            if len(found) == limit:
                break
    return found


async def _find(
    redis_url: str | None, wanted: str, endpoint: str | None, group: str | None
) -> list[DeadLetter]:
    async with opened(redis_url) as (redis, keys):
        return [
            letter
            async for letter in letters(redis, keys, endpoint=endpoint, group=group)
            if wanted in {letter.letter_id, letter.text("id")}
        ]


def _row(letter: DeadLetter) -> dict[str, object]:
    return {
        "letter": letter.letter_id,
        "tag": letter.tag,
        "group": letter.group,
        "type": letter.text("type"),
        "id": letter.text("id"),
        "account": letter.text("account") or None,
        "reason": letter.text("reason"),
        "attempts": letter.attempts,
        "set_aside": time_text(letter.set_aside_ms),
        "error": letter.text("lasterror"),
    }


def _document(letter: DeadLetter) -> dict[str, object]:
    document: dict[str, object] = {
        "letter": letter.letter_id,
        "tag": letter.tag,
        "group": letter.group,
        "set_aside": time_text(letter.set_aside_ms),
    }
    document |= {name: letter.text(name) for name in letter.fields if name != "data"}
    body = letter.fields.get("data", b"")
    try:
        document["data"] = body.decode()
    except UnicodeDecodeError:
        document["data_base64"] = base64.b64encode(body).decode()
    return document
