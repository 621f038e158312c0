"""Says beforehand what redriving or dropping dead letters would do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from consumers.operations.dead.books import Choice, ask
from consumers.operations.dead.choose import (
    Bounded,
    Chosen,
    Judge,
    Problem,
    bounded,
    choose,
    of_page,
)
from consumers.operations.dead.count import Counts, can_count, count_page
from consumers.operations.dead.fit import Anything, judge_of
from consumers.operations.dead.letters import Book, DeadLetter
from consumers.operations.progress import Progress, Report, unheard
from consumers.operations.select import Selection, in_order
from relay.contract.connect import text_of
from relay.contract.keys import Keys

# So many are shown one by one.
SHOWN = 5

# Tag, group, type and reason.
_Kind = tuple[str, str, str, str]


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
        WrongType: Something else stands where something of ours should.
    """
    books = await bounded(redis, keys, choice)
    plan = await _plan(redis, books, choice, await judge_of(redis, keys, books), report)
    return replace(plan, unread=await _unread(redis, keys, plan.parts))


async def plan_drop(redis: Redis, keys: Keys, choice: Choice, *, report: Report = unheard) -> Plan:
    """Say what `drop` would do, as `plan_redrive` does; every letter can be dropped."""
    books = await bounded(redis, keys, choice)
    return await _plan(redis, books, choice, Anything(), report)


async def _plan(
    redis: Redis, books: Sequence[Bounded], choice: Choice, judge: Judge, report: Report
) -> Plan:
    sums = _Sums(choice, judge, report)
    if can_count(choice.selection):
        for one in books:
            await _count(redis, one, choice.selection, sums)
    else:
        await _walk(redis, books, choice, sums)
    return sums.plan(max((one.until for one in books), key=in_order, default=None))


async def _walk(redis: Redis, books: Sequence[Bounded], choice: Choice, sums: "_Sums") -> None:
    """Add up letter by letter."""
    async for page in choose(redis, books, choice, sums.judge):
        sums.add(page)


async def _count(redis: Redis, one: Bounded, selection: Selection, sums: "_Sums") -> None:
    """Add up a book, most of it on the server; the page that the limit ends in, here."""
    begin, readable = selection.since, sums.judge.wants_entries
    while begin and sums.room != 0:
        part = replace(selection, since=begin, until=one.until)
        page = await count_page(redis, one.book, part, first=sums.to_show, readable=readable)
        if not sums.count(one.book, page):
            await _walk(redis, [one], Choice(selection=part, limit=sums.room), sums)
            return
        begin = page.behind


class _Sums:
    """Adds up what pages hold.

    Args:
        choice: Which letters are meant.
        judge: Says what is left as it is.
        report: Is told after each page.
    """

    def __init__(self, choice: Choice, judge: Judge, report: Report) -> None:
        self.judge = judge
        self._choice = choice
        self._report = report
        self._seen = 0
        self._parts: Counter[_Kind] = Counter()
        self._left: Counter[Problem] = Counter()
        self._first: list[DeadLetter] = []

    @property
    def to_show(self) -> int:
        """How many letters are still to be shown one by one."""
        return SHOWN - len(self._first)

    @property
    def room(self) -> int | None:
        """How many letters may still be meant; none where there is no limit."""
        limit = self._choice.limit
        return None if limit is None else limit - self._parts.total()

    def add(self, page: Chosen) -> None:
        """Add what was judged letter by letter."""
        self._end_page(page, Counter(_kind(letter) for letter in page.letters), Counter())

    def count(self, book: Book, page: Counts) -> bool:
        """Add what the server has counted and judge the rest; false where that is too much."""
        parts: Counter[_Kind] = Counter()
        left: Counter[Problem] = Counter()
        rest = of_page(book, page.doubtful, self._choice, self.judge)
        first = list(rest.letters)
        parts.update(_kind(letter) for letter in rest.letters)
        for kind in page.kinds:
            if not self._choice.selection.means_type(kind.event_type):
                continue
            if problem := self.judge.of_type(book.tag, kind.event_type):
                left[problem] += kind.letters
            else:
                parts[book.tag, book.group, kind.event_type, kind.reason] += kind.letters
                first += kind.first
        if self.room is not None and parts.total() > self.room:
            return False
        first.sort(key=lambda letter: in_order(letter.letter_id))
        self._end_page(replace(rest, letters=first, seen=page.seen), parts, left)
        return True

    def plan(self, until: str | None) -> Plan:
        """Give all of it."""
        return Plan(
            until=until,
            letters=self._parts.total(),
            parts=[
                Part(tag=tag, group=group, event_type=event_type, reason=reason, letters=count)
                for (tag, group, event_type, reason), count in self._parts.most_common()
            ],
            first=self._first,
            left=self._left.most_common(),
        )

    def _end_page(
        self,
        page: Chosen,
        parts: Counter[_Kind],
        left: Counter[Problem],
    ) -> None:
        self._seen += page.seen
        self._first += page.letters[: self.to_show]
        self._parts.update(parts)
        self._left.update(left)
        self._left.update(problem for _, problem in page.left)
        done, left_alone = self._parts.total(), self._left.total()
        self._report(Progress(seen=self._seen, done=done, left=left_alone))


async def _unread(redis: Redis, keys: Keys, parts: Sequence[Part]) -> list[tuple[str, str, str]]:
    places = sorted({(part.tag, part.group, part.event_type) for part in parts})
    streams = [keys.stream(tag, event_type) for tag, _, event_type in places]
    replies = await ask(redis, "xinfo_groups", streams)
    # Where it is no list, the stream is registered and gone.
    groups = [{text_of(row["name"]) for row in _rows(reply)} for reply in replies]
    return [place for place, names in zip(places, groups, strict=True) if place[1] not in names]


def _rows(reply: Any) -> list[Any]:  # noqa: ANN401 - rows, or what the store refused with
    return reply if isinstance(reply, list) else []


def _kind(letter: DeadLetter) -> _Kind:
    return letter.book.tag, letter.book.group, letter.text("type"), letter.text("reason")
