"""Says what a replay would do, and writes nothing.

What a range holds is counted as far as that is cheap, and estimated beyond. The bounds are fixed
here: what the group has yet to read comes by itself, and what arrives later is not meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from consumers.operations.replay.find import Joined, count_alive, find
from consumers.operations.replay.memory import Memory, memory_of
from consumers.operations.replay.survey import Range, Survey, survey_all
from consumers.operations.replay.wanted import Wanted, check
from consumers.operations.select import FIRST_ID, in_order
from relay.contract.keys import Keys
from relay.contract.registry import known_tags
from relay.contract.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStream:
    """What a replay would copy of one stream.

    Args:
        stream: Which.
        first: The entry to begin with; empty where there is nothing.
        last: The last one that can be meant.
        entries: How many are meant, about or exactly.
        exact: Which of the two.
        size_bytes: About how large they are.
        oldest: The first that is known to be meant, and
        newest: the last; empty where there is none.
        held_from: The stream's first entry; what was before it is gone.
        unread: Whether the range goes on behind what the group has read.
        pending: How many entries of the stream the group has read and not settled.
        ordered: A worker of the group has read the stream in order, which copies have not.
    """

    stream: Stream
    first: str
    last: str
    entries: int
    exact: bool
    size_bytes: int
    oldest: str
    newest: str
    held_from: str
    unread: bool
    pending: int
    ordered: bool

    @property
    def has_any(self) -> bool:
        """Whether something is meant, as far as is known."""
        return bool(self.first) and (self.entries > 0 or not self.exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What a replay would do.

    Args:
        wanted: What it means.
        tags: All tags that were looked at.
        streams: Those with something to copy.
        empty: Those that the group reads and where nothing is meant.
        others: How many streams are meant that the group does not read.
        groups: All groups that read any of the streams.
        alive: How many workers of the group live.
        faults: Keys that cannot be looked at, each with the reason.
        memory: The store's.
    """

    wanted: Wanted
    tags: tuple[str, ...]
    streams: tuple[PlannedStream, ...]
    empty: tuple[PlannedStream, ...]
    others: int
    groups: tuple[str, ...]
    alive: int
    faults: tuple[tuple[str, str], ...]
    memory: Memory

    @property
    def entries(self) -> int:
        """How many copies it would make, about or exactly."""
        meant = sum(each.entries for each in self.streams)
        return meant if self.wanted.limit is None else min(meant, self.wanted.limit)

    @property
    def exact(self) -> bool:
        """Whether `entries` is exact."""
        return all(each.exact for each in self.streams)

    @property
    def size_bytes(self) -> int:
        """About how large the copies would be."""
        meant = sum(each.entries for each in self.streams)
        size = sum(each.size_bytes for each in self.streams)
        return size if not meant else size * self.entries // meant


async def plan_replay(
    redis: Redis, keys: Keys, wanted: Wanted, *, tags: Sequence[str] | None = None
) -> ReplayPlan:
    """Say what a replay would copy, from which streams, and for whom.

    It reads pages of bounded size only, so it is quick however much there is.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        wanted: What it means.
        tags: Where to look; all tags where left out.

    Raises:
        ReplayRefused: The group's name or a pattern is none.
        WrongType: Something else stands at the key of the tags.
    """
    check(wanted)
    tags = await known_tags(redis, keys) if tags is None else tags
    found = await find(redis, keys, wanted, tags)
    ranges = [_range(wanted, joined) for joined in found.joined]
    planned, faults = [], list(found.faults)
    for joined, part, survey in zip(
        found.joined, ranges, await survey_all(redis, wanted, ranges), strict=True
    ):
        if isinstance(survey, Survey):
            planned.append(_planned(wanted, joined, part, survey))
        else:
            faults.append((part.key, str(survey)))
    streams = [joined.stream for joined in found.joined]
    return ReplayPlan(
        wanted=wanted,
        tags=tuple(tags),
        streams=tuple(each for each in planned if each.has_any),
        empty=tuple(each for each in planned if not each.has_any),
        others=found.others,
        groups=found.groups,
        alive=await count_alive(redis, keys, wanted.group, streams),
        faults=tuple(faults),
        memory=await memory_of(redis),
    )


def _range(wanted: Wanted, joined: Joined) -> Range:
    """Fix the bounds: what the group has yet to read needs no copy."""
    until = min(wanted.until, joined.read_until, key=in_order)
    return Range(key=joined.stream.key, since=wanted.since, until=until)


def _planned(wanted: Wanted, joined: Joined, part: Range, survey: Survey) -> PlannedStream:
    end = min(part.until, survey.tail or FIRST_ID, key=in_order)
    entries = survey.entries(end)
    behind = in_order(survey.tail or FIRST_ID) > in_order(joined.read_until)
    return PlannedStream(
        stream=joined.stream,
        first=survey.begin,
        last=part.until,
        entries=entries,
        exact=survey.exact,
        size_bytes=round(entries * survey.size_bytes / survey.meant) if survey.meant else 0,
        oldest=survey.oldest,
        newest=end if survey.next else survey.newest,
        held_from=survey.head,
        unread=behind and in_order(wanted.until) > in_order(joined.read_until),
        pending=joined.pending,
        ordered=joined.ordered,
    )
