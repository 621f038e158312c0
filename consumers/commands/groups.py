"""``relay groups``: how far each consumer group has come."""

import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from consumers.commands.options import AsJson, RedisUrl, opened
from consumers.operations.groups.look import Seen, look
from consumers.operations.groups.state import GroupState
from relay.contract.ask import Trouble
from relay.contract.display import show, time_text, warn
from relay.contract.explain import CommandFailed
from relay.contract.loop import run
from relay.contract.paused import EVERYTHING, Pause
from relay.contract.printable import printable
from relay.later import add_later

COLUMNS = (
    "group",
    "tag",
    "type",
    "unread",
    "oldest_seconds",
    "in_flight",
    "parked",
    "laned",
    "left_behind",
    "later",
    "dead",
    "alive",
    "gone",
    "paused",
)
EMPTY = "No group yet. A worker makes its own when it starts: relay worker MODULE:NAME."
NAMED = 3

OnlyGroup = Annotated[str | None, typer.Option("--group", help="Only this group.")]

app = typer.Typer(help="See how far groups have come; pause, resume and remove them.")
# Only these need what pausing and removing take.
OTHERS = {
    "pause": (
        "consumers.commands.pause:pause_group",
        "Have the handlers of a group begin no new run, on all streams or on some.",
    ),
    "resume": (
        "consumers.commands.pause:resume_group",
        "Have the handlers of a group go on, at once.",
    ),
    "remove": (
        "consumers.commands.remove:remove_group",
        "Remove a group from its streams, with all that its books hold.",
    ),
}
add_later(app, OTHERS)


@app.callback(invoke_without_command=True)
def groups(
    context: typer.Context,
    group: OnlyGroup = None,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show each group on each stream: what it has yet to read and to settle, and who reads.

    oldest_seconds is the age of the oldest event that the group has not settled. in_flight is held
    by living consumers, left_behind by those that are gone. parked waits for another attempt, laned
    behind one with the same order key. later (what waits for more than ten minutes) and dead are
    counted over all types of the tag together.
    """
    if context.invoked_subcommand is not None:
        return
    seen = run(_look(redis_url, group))
    show([_row(state) for state in seen.states], COLUMNS, as_json=as_json, empty=EMPTY)
    if not as_json:
        for line in (*_paused(seen.pauses), *_pinning(seen)):
            warn(line)
    refuse_troubles(seen.troubles)


def refuse_troubles(troubles: Sequence[Trouble]) -> None:
    """End with the keys that could not be looked at, if there are any.

    Raises:
        CommandFailed: There are.
    """
    if troubles:
        named = "\n".join(f"  {printable(each.key)}: {each.error}" for each in troubles)
        raise CommandFailed(
            f"These keys could not be looked at, and nothing of them is counted:\n{named}\n"
            "One of a wrong type (WRONGTYPE) was written by something else: rename or delete it."
        )


async def _look(redis_url: str | None, group: str | None) -> Seen:
    async with opened(redis_url) as (redis, keys):
        return await look(redis, keys, group=group)


def _row(state: GroupState) -> dict[str, object]:
    return {
        "group": state.group,
        "tag": state.stream.tag,
        "type": state.stream.book_name,
        "stream": state.stream.key,
        "unread": state.unread,
        "pending": state.pending,
        "oldest_seconds": None if state.oldest_ms is None else round(state.oldest_ms / 1000, 1),
        "in_flight": state.in_flight,
        "parked": state.parked,
        "laned": state.laned,
        "left_behind": state.left_behind,
        "later": state.later,
        "dead": state.dead,
        "alive": len(state.alive),
        "gone": len(state.gone),
        "paused": bool(state.pauses),
        "pauses": [pause_row(pause) for pause in state.pauses],
        "configured": state.configured,
        "abandoned": state.abandoned,
    }


def pause_row(pause: Pause) -> dict[str, object]:
    """Give what a program is told of a pause."""
    return {
        "group": pause.group,
        "pattern": str(pause.pattern),
        "since": time_text(pause.since_ms) if pause.since_ms else None,
        "by": pause.by,
        "reason": pause.reason,
    }


def pause_line(pause: Pause) -> str:
    """Say in one line what is paused, since when, by whom and why."""
    row = pause_row(pause)
    words = f"{pause.group} is paused on {printable(row['pattern'])}"
    words += f" since {row['since']}" if row["since"] else ""
    words += f" by {printable(pause.by)}" if pause.by else ""
    return words + (f": {printable(pause.reason)}" if pause.reason else "")


def _paused(pauses: Sequence[Pause]) -> list[str]:
    return [
        f"{pause_line(pause)}. It goes on with: relay groups resume {pause.group}{_named(pause)}"
        for pause in pauses
    ]


def _named(pause: Pause) -> str:
    """Name a pause for the shell; without its pattern the group's others would end with it."""
    return "" if pause.pattern == EVERYTHING else f" {shlex.quote(printable(pause.pattern))}"


def _pinning(seen: Seen) -> list[str]:
    """Say of each group that nobody runs what it keeps from being trimmed."""
    lines = []
    for name in sorted({state.group for state in seen.states if state.abandoned}):
        states = [state for state in seen.states if state.group == name and state.abandoned]
        count = sum(state.unsettled for state in states)
        at_least = "at least " if any(state.unread is None for state in states) else ""
        oldest_seconds = max(state.oldest_ms or 0 for state in states) // 1000
        names = ", ".join(printable(state.stream.key) for state in states[:NAMED])
        group = printable(name)  # any program may name one, and not as we would
        more = f" and {len(states) - NAMED} more" if len(states) > NAMED else ""
        lines.append(
            f"{group} has no living consumer and has not settled {at_least}{count} events, the "
            f"oldest {oldest_seconds} s old, which pin {names}{more}. Run its worker, or remove "
            f"it: relay groups remove {group}"
        )
    return lines
