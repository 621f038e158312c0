"""``relay groups pause`` and ``resume``: have a group's handlers begin nothing, and go on."""

import getpass
import os
import socket
from collections.abc import Sequence
from typing import Annotated

import typer

from consumers.commands.groups import pause_line, pause_row
from consumers.commands.options import AsJson, RedisUrl, opened
from consumers.operations.groups.look import look
from consumers.operations.groups.pause import Paused, pause, pauses, resume
from consumers.operations.groups.state import GroupState
from relay.contract.display import show_json, tell, warn
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.keys import is_name
from relay.contract.loop import run
from relay.contract.patterns import Pattern, parse_pattern
from relay.contract.paused import EVERYTHING, Pause
from relay.contract.printable import printable

Group = Annotated[str, typer.Argument(metavar="GROUP", help="Whose handlers.")]
OnStreams = Annotated[
    str | None,
    typer.Argument(
        metavar="[PATTERN]", help="On which streams, as unipile:message.*; all if left out."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; shown by `relay groups`.")]


def pause_group(
    group: Group,
    pattern: OnStreams = None,
    reason: Reason = "",
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Have the handlers of a group begin no new run, on all streams or on some.

    Workers obey within a second, and those that start later at once. What runs is finished and
    settled; everything else waits in the store, keeps its attempts and its order, and is not
    trimmed. Stays until `relay groups resume`.
    """
    paused, states = run(_pause(redis_url, group, _read(group, pattern) or EVERYTHING, reason))
    meant = [state for state in states if paused.pause.means(state.stream)]
    living = sorted({name for state in meant for name in state.alive})
    if as_json:
        streams = [state.stream.key for state in meant]
        about = {"new": paused.is_new, "streams": streams, "alive": living}
        show_json(pause_row(paused.pause) | about)
        return
    tell(f"{pause_line(paused.pause)}{'' if paused.is_new else ' (it was paused already)'}")
    if meant:
        tell(f"{len(meant)} streams wait; {len(living)} consumers live that read them.")
    else:
        warn(f"No stream of {group} matches it now; those that come will wait. See: relay groups")


def resume_group(
    group: Group,
    pattern: OnStreams = None,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Have the handlers of a group go on, at once.

    Without a pattern all that is paused of the group goes on; with one what was paused by it.
    """
    wanted = _read(group, pattern)
    ended, left = run(_resume(redis_url, group, wanted))
    if not ended:
        raise CommandFailed(_not_paused(group, wanted, left))
    if as_json:
        show_json([pause_row(each) for each in ended])
        return
    for each in ended:
        tell(f"{group} goes on with {printable(each.pattern)}")
    for each in left:
        warn(f"Still so: {pause_line(each)}")


async def _pause(
    redis_url: str | None, group: str, pattern: Pattern, reason: str
) -> tuple[Paused, list[GroupState]]:
    async with opened(redis_url) as (redis, keys):
        paused = await pause(redis, keys, group, pattern, by=_who(), reason=reason)
        return paused, (await look(redis, keys, group=group)).states


async def _resume(
    redis_url: str | None, group: str, pattern: Pattern | None
) -> tuple[list[Pause], list[Pause]]:
    async with opened(redis_url) as (redis, keys):
        ended = await resume(redis, keys, group, pattern)
        return ended, await pauses(redis, keys, group)


def _read(group: str, pattern: str | None) -> Pattern | None:
    if not is_name(group):
        raise CommandFailed(
            f"{printable(group)!r} is no group: a name has lower-case letters, digits and hyphens",
            exit_code=WRONG_USAGE,
        )
    if pattern is None:
        return None
    try:
        return parse_pattern(pattern)
    except ValueError as error:
        raise CommandFailed(printable(error, 1000), exit_code=WRONG_USAGE) from None


def _not_paused(group: str, pattern: Pattern | None, left: Sequence[Pause]) -> str:
    if not left:
        return f"Nothing of {group} is paused; see: relay groups"
    named = ", ".join(printable(each.pattern) for each in left)
    return f"{group} is not paused by {printable(pattern)}, but by: {named}. Name one of these"


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
