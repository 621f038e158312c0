"""``relay groups remove``: takes away a group that nobody uses any more."""

from dataclasses import dataclass
from typing import Annotated

import typer
from redis.asyncio import Redis

from consumers.commands.confirm import confirm
from consumers.commands.groups import refuse_troubles
from consumers.commands.options import AsJson, RedisUrl, opened
from consumers.commands.progress import shown
from consumers.operations.groups.remove import (
    GroupConfigured,
    GroupInUse,
    Removal,
    plan_removal,
    remove,
)
from relay.contract.display import show, show_json, tell, warn
from relay.contract.explain import CommandFailed
from relay.contract.keys import Keys
from relay.contract.loop import run
from relay.contract.printable import printable

COLUMNS = ("tag", "type", "unread", "pending", "gone")

Group = Annotated[str, typer.Argument(metavar="GROUP", help="Which group.")]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", help="Only from the streams of this endpoint.")
]
WithDead = Annotated[bool, typer.Option("--with-dead", help="Its dead letters too.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Although [groups] of a gateway lists it. One that still does makes it again, and "
        "then it has everything to read.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is to be removed, as it was typed."""

    group: str
    endpoint: str | None
    with_dead: bool
    force: bool

    async def planned(self, redis: Redis, keys: Keys) -> Removal:
        return await plan_removal(
            redis, keys, self.group, endpoint=self.endpoint, with_dead=self.with_dead
        )


def remove_group(
    group: Group,
    *,
    endpoint: Endpoint = None,
    with_dead: WithDead = False,
    force: Force = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove a group from its streams, with all that its books hold.

    Refused while it has living consumers, or a gateway lists it in [groups]. Dead letters stay
    unless --with-dead is said. Events themselves are not touched: other groups have them.
    Broken off, it is finished by running it again.
    """
    wish = _Wish(group=group, endpoint=endpoint, with_dead=with_dead, force=force)
    removal = run(_remove(redis_url, wish, dry_run=dry_run, yes=yes, as_json=as_json))
    if as_json:
        show_json(_document(removal) | {"done": not dry_run})
    elif not dry_run:
        tell("Removed.")
    else:
        tell("Nothing was changed: this was a dry run.")
        _say_what_is_in_the_way(removal, force=force)


async def _remove(
    redis_url: str | None, wish: _Wish, *, dry_run: bool, yes: bool, as_json: bool
) -> Removal:
    async with opened(redis_url) as (redis, keys):
        removal = await wish.planned(redis, keys)
        if removal.is_empty:
            raise CommandFailed(_nothing_of(removal))
        if not as_json:
            _show(removal)
        refuse_troubles(removal.troubles)
        if dry_run:
            return removal
        removal.refuse_if_used(force=wish.force)
        confirm(f"Remove {wish.group} from {len(removal.states)} streams?", yes=yes)
        if not yes:
            # A person takes their time: somebody may have come meanwhile.
            removal = await wish.planned(redis, keys)
            removal.refuse_if_used(force=wish.force)
        await remove(redis, keys, removal, report=shown("let go", as_json=as_json))
        return removal


def _nothing_of(removal: Removal) -> str:
    group = printable(removal.group)
    if removal.dead:
        return f"There is nothing of a group {group!r} but its dead letters: add --with-dead"
    return f"There is nothing of a group {group!r}; see: relay groups"


def _say_what_is_in_the_way(removal: Removal, *, force: bool) -> None:
    try:
        removal.refuse_if_used(force=force)
    except (GroupInUse, GroupConfigured) as refused:
        warn(f"It would be refused: {refused}")


def _show(removal: Removal) -> None:
    rows = [
        {
            "tag": state.stream.tag,
            "type": state.stream.book_name,
            "unread": state.unread,
            "pending": state.pending,
            "gone": len(state.gone),
        }
        for state in removal.states
    ]
    show(rows, COLUMNS, as_json=False, empty="It is on no stream any more.")
    for key in removal.books:
        tell(f"with it goes {printable(key)}")
    kept = [key for key in removal.books if "@dead:" in key]
    if removal.dead and not kept:
        tell(
            f"{removal.dead} dead letters stay, to be seen with: "
            f"relay dead list --group {removal.group}"
        )


def _document(removal: Removal) -> dict[str, object]:
    return {
        "group": removal.group,
        "streams": [state.stream.key for state in removal.states],
        "unread": sum(state.unread or 0 for state in removal.states),
        "pending": sum(state.pending for state in removal.states),
        "books": list(removal.books),
        "dead": removal.dead,
        "configured": list(removal.configured),
        "living": removal.living,
        "pauses": [str(pause.pattern) for pause in removal.pauses],
    }
