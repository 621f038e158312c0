"""Says beforehand what redriving or dropping dead letters would do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from consumers.operations.dead.books import Choice, ask
from consumers.operations.dead.choose import Bounded, Judge, Problem, bounded, choose
from consumers.operations.dead.fit import judge_of, nothing_wrong
from consumers.operations.dead.letters import DeadLetter
from consumers.operations.progress import Progress, Report, unheard
from consumers.operations.select import in_order
from relay.contract.connect import text_of
from relay.contract.keys import Keys

# So many are shown one by one.
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How many of the letters are of one group, type and reason.

    Args:
        tag: Endpoint or partition.
        group: Whose they are.
        event_type: Their type.
        reason: Why they were set aside.
        letters: How many there are.
    """

    tag: str
    group: str
    event_type: str
    reason: str
    letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an operation would do.

    Args:
        until: The newest letter that there is. An operation that is bounded by it, and is
            interrupted and begun again, goes on without what has failed again meanwhile; none
            where there are no letters.
        letters: How many it would be done to.
        parts: Which, the most first.
        first: The oldest few of them.
        left: How many it could not be done to, and why.
        unread: Tag, group and type where the group does not read the type's stream (any more): what
            is given back there waits for a worker, and no longer ends by itself.
    """

    until: str | None
    letters: int
    parts: Sequence[Part]
    first: Sequence[DeadLetter]
    left: Sequence[tuple[Problem, int]]
    unread: Sequence[tuple[str, str, str]] = ()


async def plan_redrive(
    redis: Redis, keys: Keys, choice: Choice, *, report: Report = unheard
) -> Plan:
    """Say what `redrive` would do; nothing is written.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        choice: Which letters.
        report: Is told after each page how many were looked at.

    Raises:
        ResponseError: What stands at the key of a group's dead letters is no stream.
    """
    books = await bounded(redis, keys, choice)
    plan = await _plan(redis, books, choice, await judge_of(redis, keys, books), report)
    return replace(plan, unread=await _unread(redis, keys, plan.parts))


async def plan_drop(redis: Redis, keys: Keys, choice: Choice, *, report: Report = unheard) -> Plan:
    """Say what `drop` would do, as `plan_redrive` does; every letter can be dropped."""
    books = await bounded(redis, keys, choice)
    return await _plan(redis, books, choice, nothing_wrong, report)


async def _plan(
    redis: Redis, books: Sequence[Bounded], choice: Choice, judge: Judge, report: Report
) -> Plan:
    parts: Counter[tuple[str, str, str, str]] = Counter()
    left: Counter[Problem] = Counter()
    first: list[DeadLetter] = []
    seen = 0
    async for page in choose(redis, books, choice, judge):
        seen += page.seen
        first += page.letters[: SHOWN - len(first)]
        left.update(problem for _, problem in page.left)
        parts.update(_kind(letter) for letter in page.letters)
        report(Progress(seen=seen, done=parts.total(), left=left.total()))
    return Plan(
        until=max((one.until for one in books), key=in_order, default=None),
        letters=parts.total(),
        parts=[
            Part(tag=tag, group=group, event_type=event_type, reason=reason, letters=count)
            for (tag, group, event_type, reason), count in parts.most_common()
        ],
        first=first,
        left=left.most_common(),
    )


async def _unread(redis: Redis, keys: Keys, parts: Sequence[Part]) -> list[tuple[str, str, str]]:
    places = sorted({(part.tag, part.group, part.event_type) for part in parts})
    streams = [keys.stream(tag, event_type) for tag, _, event_type in places]
    replies = await ask(redis, "xinfo_groups", streams)
    # Where it is no list, the stream is registered and gone.
    groups = [{text_of(row["name"]) for row in _rows(reply)} for reply in replies]
    return [place for place, names in zip(places, groups, strict=True) if place[1] not in names]


def _rows(reply: Any) -> list[Any]:  # noqa: ANN401 - rows, or what the store refused with
    return reply if isinstance(reply, list) else []


def _kind(letter: DeadLetter) -> tuple[str, str, str, str]:
    return letter.book.tag, letter.book.group, letter.text("type"), letter.text("reason")
