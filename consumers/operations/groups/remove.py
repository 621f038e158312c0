"""Removes a group that nobody uses any more: from its streams, and all that its books hold.

What is pending goes by pages, so no step keeps the server long. A removal that is broken off is
finished by another: what is left is found by name, and not by what was done before.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from redis.asyncio import Redis

from consumers.operations.groups.find import registered
from consumers.operations.groups.let_go import let_go
from consumers.operations.groups.look import look
from consumers.operations.groups.state import GroupState
from consumers.operations.progress import Progress, Report, unheard
from relay.contract.ask import Asker, Trouble
from relay.contract.errors import RelayError
from relay.contract.keys import Keys, endpoint_of
from relay.contract.paused import Pause
from relay.contract.printable import printable
from relay.contract.registry import known_tags
from relay.contract.script import Script

# So many at most are let go in the step that takes the group away.
PAGE = 256
# More living consumers than this are not named one by one.
NAMED = 5

_remove = Script("consumers.operations.groups", "remove")


class GroupInUse(RelayError):
    """The group has living consumers; they would make it again, and handle all events anew."""


class GroupConfigured(RelayError):
    """The group is listed by a gateway, which would make it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What removing a group would take away.

    Args:
        group: Its name.
        states: The group on each of its streams, of what it is given again too.
        books: Keys that would go as a whole.
        dead: How many dead letters there are; they are among the books only where they are to go.
        configured: Tags of which a gateway lists the group.
        pauses: What is paused of it and would not be any more.
        troubles: Keys that could not be looked at.
    """

    group: str
    states: tuple[GroupState, ...]
    books: tuple[str, ...]
    dead: int
    configured: tuple[str, ...]
    pauses: tuple[Pause, ...]
    troubles: tuple[Trouble, ...]

    @property
    def living(self) -> list[str]:
        """The consumers that stand in the way."""
        return sorted({name for state in self.states for name in state.alive})

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.states or self.books or self.configured or self.pauses)

    def refuse_if_used(self, *, force: bool = False) -> None:
        """Make sure that nobody uses the group.

        Args:
            force: Remove it also from what gateways list; one that runs and still lists it makes
                it again within a minute.

        Raises:
            GroupInUse: It has living consumers.
            GroupConfigured: A gateway lists it, and ``force`` was not said.
        """
        living = [printable(name) for name in self.living]
        if living:
            more = f" and {len(living) - NAMED} more" if len(living) > NAMED else ""
            raise GroupInUse(
                f"{self.group} has living consumers: {', '.join(living[:NAMED])}{more}. Stop them "
                "first; they would make the group again and handle everything anew. A worker that "
                "was killed counts as dead after 60 seconds"
            )
        if self.configured and not force:
            raise GroupConfigured(
                f"{self.group} is listed in [groups] of a gateway that serves "
                f"{', '.join(map(printable, self.configured))}, which would make it again. Take "
                f"`{self.group} = …` out of [groups] in relay.toml (RELAY_GROUPS) of every such "
                "gateway and reload it (SIGHUP); then run this again with --force, since what "
                "gateways have listed is remembered for an hour"
            )


async def plan_removal(
    redis: Redis, keys: Keys, group: str, *, endpoint: str | None = None, with_dead: bool = False
) -> Removal:
    """Say what removing a group would take away; nothing is changed.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        group: Which group.
        endpoint: Only from the streams of this one.
        with_dead: Dead letters go too.
    """
    asker = Asker(redis)
    known = await known_tags(redis, keys)
    tags = [tag for tag in known if endpoint in {None, endpoint_of(tag)}]
    seen = await look(redis, keys, group=group)
    listed = [keys.groups(tag) for tag in tags]
    confirmed = await asker.each(listed, lambda p, at: p.hexists(listed[at], group))
    letters = [keys.dead(tag, group) for tag in tags]
    lengths = await asker.each(letters, lambda p, at: p.xlen(letters[at]))
    return Removal(
        group=group,
        states=tuple(state for state in seen.states if state.stream.tag in tags),
        books=tuple(await _books(asker, keys, tags, group, with_dead=with_dead)),
        dead=sum(length or 0 for length in lengths),
        configured=tuple(tag for tag, held in zip(tags, confirmed, strict=True) if held),
        pauses=tuple(p for p in seen.pauses if endpoint in {None, p.pattern.endpoint}),
        troubles=tuple(sorted(asker.troubles | set(seen.troubles))),
    )


async def remove(
    redis: Redis, keys: Keys, removal: Removal, *, report: Report = unheard
) -> Progress:
    """Remove what was planned.

    The plan must be a fresh one that nothing speaks against (`Removal.refuse_if_used`). What a
    group is given again goes with its stream.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        removal: From `plan_removal`.
        report: Is told after each round trip how many pending entries were let go.

    Returns:
        How many entries were let go that had been given to the group.

    Raises:
        ResponseError: A key is of a wrong type; all before it is removed.
    """
    own = [state for state in removal.states if not state.stream.again]
    progress = Progress(total=sum(state.pending for state in own))
    for state in own:
        progress = await _remove_from(redis, keys, state, progress, report)
    # Bodies and books are freed aside by the server.
    for key in removal.books:
        await redis.unlink(key)
    for tag in removal.configured:
        await redis.hdel(keys.groups(tag), removal.group)
    # Last, so that a worker which starts too early begins nothing.
    if removal.pauses:
        await redis.hdel(keys.paused, *(pause.field for pause in removal.pauses))
    return progress


async def _remove_from(
    redis: Redis, keys: Keys, state: GroupState, progress: Progress, report: Report
) -> Progress:
    stream = state.stream
    async with aclosing(let_go(redis, stream.key, state.group)) as counts:
        async for count in counts:
            progress = _further(progress, count)
            report(progress)
    # What was given to somebody meanwhile goes with the group.
    again = keys.again(stream.tag, state.group, stream.event_type)
    while True:
        count = await _remove(redis, [stream.key, again], state.group, PAGE)
        progress = _further(progress, max(0, count))
        report(progress)
        if count < 0:
            return progress


def _further(progress: Progress, count: int) -> Progress:
    done = progress.done + count
    return Progress(seen=done, done=done, total=progress.total)


async def _books(
    asker: Asker, keys: Keys, tags: Sequence[str], group: str, *, with_dead: bool
) -> list[str]:
    """Find the group's books that exist.

    Not among them: steps that run once, which expire, and what the group's own handlers keep.
    """
    by_group = [keys.park, keys.attempts, keys.strikes, keys.later, keys.later_due]
    by_group += [keys.lease_sweep, keys.lease_park, keys.lease_later]
    by_group += [keys.dead] if with_dead else []
    possible = {tag: [book(tag, group) for book in by_group] for tag in tags}
    for stream in await registered(asker, keys, tags):
        for book in (keys.lane, keys.owner, keys.again):
            possible[stream.tag].append(book(stream.tag, group, stream.event_type))
    return [key for names in possible.values() for key in await asker.there(names)]
