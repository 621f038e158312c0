"""``relay groups``: how far each consumer group has come."""

from typing import Annotated

import typer

from consumers.commands.options import AsJson, RedisUrl, opened
from consumers.groups import GroupState, look
from relay.contract.display import show
from relay.contract.loop import run

COLUMNS = (
    "group",
    "tag",
    "type",
    "unread",
    "pending",
    "parked",
    "dead",
    "oldest_seconds",
    "alive",
    "gone",
)
EMPTY = "No group yet. A worker makes its own when it starts: relay worker MODULE:NAME."

OnlyGroup = Annotated[str | None, typer.Option("--group", help="Only this group.")]


def groups(group: OnlyGroup = None, redis_url: RedisUrl = None, as_json: AsJson = False) -> None:
    """Show each group on each stream: what it has yet to read and to settle, and who reads.

    oldest_seconds is the age of the oldest event that the group has not settled. parked counts
    what waits for another attempt, dead what was set aside, both of all types of the tag together.
    """
    rows = run(_rows(redis_url, group))
    show(rows, COLUMNS, as_json=as_json, empty=EMPTY)


async def _rows(redis_url: str | None, group: str | None) -> list[dict[str, object]]:
    async with opened(redis_url) as (redis, keys):
        states = await look(redis, keys)
    return [_row(state) for state in states if group in {None, state.group}]


def _row(state: GroupState) -> dict[str, object]:
    return {
        "group": state.group,
        "tag": state.tag,
        "type": state.event_type,
        "stream": state.stream,
        "unread": state.unread,
        "pending": state.pending,
        "parked": state.parked,
        "dead": state.dead,
        "oldest_seconds": None if state.oldest_ms is None else round(state.oldest_ms / 1000, 1),
        "alive": state.alive,
        "gone": state.gone,
    }
