"""Says beforehand what redriving or dropping dead letters would do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from consumers.operations.dead.books import Choice
from consumers.operations.dead.choose import Bounded, Judge, Problem, bounded, choose
from consumers.operations.dead.fit import judge_of, nothing_wrong
from consumers.operations.dead.letters import DeadLetter
from consumers.operations.progress import Progress, Report, unheard
from consumers.operations.select import in_order
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
    """

    until: str | None
    letters: int
    parts: Sequence[Part]
    first: Sequence[DeadLetter]
    left: Sequence[tuple[Problem, int]]


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
    return await _plan(redis, books, choice, await judge_of(redis, keys, books), report)


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


def _kind(letter: DeadLetter) -> tuple[str, str, str, str]:
    return letter.book.tag, letter.book.group, letter.text("type"), letter.text("reason")
