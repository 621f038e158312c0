"""``relay dead list|show|redrive|drop``: what a group has set aside, and what becomes of it."""

from typing import Annotated

import typer

from consumers.commands import letters as shown
from consumers.commands.change import Change, How, change
from consumers.commands.filters import Endpoint, Filters, Group, filtered
from consumers.commands.options import AsJson, RedisUrl, now_ms, opened
from consumers.operations.dead.books import Choice
from consumers.operations.dead.drop import drop
from consumers.operations.dead.look import (
    LOOK_SECONDS,
    By,
    Counted,
    Found,
    count_letters,
    find_letters,
    list_letters,
)
from consumers.operations.dead.plan import plan_drop, plan_redrive
from consumers.operations.dead.redrive import redrive
from relay.contract.display import warn
from relay.contract.explain import CommandFailed
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.contract.registry import left_out

app = typer.Typer(
    no_args_is_help=True, help="Look at events that could not be handled, and mend them."
)

Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]
Most = Annotated[int | None, typer.Option("--limit", min=1, help="At most this many.")]
All = Annotated[
    bool, typer.Option("--all", help="Look through all of them, however long that takes.")
]
Common = Annotated[
    By | None, typer.Option("--by", help="Only count them, by what they have in common.")
]
Letter = Annotated[
    str, typer.Argument(metavar="LETTER", help="The letter's or the event's id, from the list.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.01, help="At most so many a second.")]

REDRIVE = Change("redrive", "redriven", plan_redrive, redrive)
DROP = Change("drop", "dropped", plan_drop, drop)


@app.command("list")
@filtered
def list_(
    filters: Filters,
    by: Common = None,
    limit: Limit = 100,
    look_through_all: All = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first, or count them (--by).

    Looking stops after a moment; what is said then goes on from there.
    """
    seconds = None if look_through_all else LOOK_SECONDS
    if by is None:
        found: Found | Counted = run(_list(redis_url, filters, limit, seconds))
    else:
        found = run(_count(redis_url, filters, by, seconds))
    if isinstance(found, Found):
        shown.show_letters(found.letters, as_json=as_json)
    else:
        shown.show_counts(found.rows, str(by), as_json=as_json)
    if found.go_on_until:
        how = "" if by is None else f" --by {by}"
        warn(
            f"{found.looked_at} letters were looked at, and there are more: "
            f"relay dead list {filters.words(until=found.go_on_until)}{how}"
        )
    if found.wrong:
        raise CommandFailed(left_out(found.wrong))


@app.command("show")
def show_letter(
    letter: Letter,
    endpoint: Endpoint = None,
    group: Group = None,
    look_through_all: All = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter whole, its body included."""
    seconds = None if look_through_all else LOOK_SECONDS
    found = run(_find(redis_url, letter, Choice(endpoint=endpoint, group=group), seconds))
    letters = found.letters
    if not letters and found.wrong:
        raise found.wrong[0]
    if not letters:
        more = "; there are more to look through: add --all" if found.go_on_until else ""
        raise CommandFailed(f"No dead letter has the id {letter!r}; see: relay dead list{more}")
    if len(letters) > 1:
        places = ", ".join(
            f"{printable(one.book.tag)} {printable(one.book.group)} {one.letter_id}"
            for one in letters
        )
        raise CommandFailed(f"Several have it ({places}): add --endpoint, --group or take the id")
    shown.show_whole(letters[0], as_json=as_json)


def _command(what: Change, text: str) -> None:
    """Add a command that changes letters; what it takes is the same for all of them."""

    @app.command(what.name, help=text)
    @filtered
    def change_letters(
        filters: Filters,
        *,
        dry_run: DryRun = False,
        yes: Yes = False,
        rate: Rate = None,
        limit: Most = None,
        redis_url: RedisUrl = None,
        as_json: AsJson = False,
    ) -> None:
        how = How(
            dry_run=dry_run, yes=yes, as_json=as_json, limit=limit, rate=rate, redis_url=redis_url
        )
        run(change(what, filters, how))


_command(
    REDRIVE,
    "Give dead letters back to their own group, whose workers handle them as new.\n\n"
    "Each is moved in one step. After an interruption the command that is said at the start goes "
    "on with what is left, without what has failed again meanwhile.",
)
_command(DROP, "Remove dead letters for good.")


async def _list(
    redis_url: str | None, filters: Filters, limit: int, seconds: float | None
) -> Found:
    async with opened(redis_url) as (redis, keys):
        choice = filters.choice(now_ms=await now_ms(redis), limit=limit)
        return await list_letters(redis, keys, choice, look_seconds=seconds)


async def _count(redis_url: str | None, filters: Filters, by: By, seconds: float | None) -> Counted:
    async with opened(redis_url) as (redis, keys):
        choice = filters.choice(now_ms=await now_ms(redis))
        return await count_letters(redis, keys, choice, by=by, look_seconds=seconds)


async def _find(redis_url: str | None, wanted: str, choice: Choice, seconds: float | None) -> Found:
    async with opened(redis_url) as (redis, keys):
        return await find_letters(redis, keys, choice, wanted, look_seconds=seconds)
