"""Lists, counts and shows dead letters, with bounded work.

A filter that few letters pass could mean to look through all of them. So looking stops after a
while, and what is given says where to go on.
"""

import heapq
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from redis.asyncio import Redis

from consumers.operations.dead.books import Choice, find_books
from consumers.operations.dead.letters import Book, DeadLetter, Range, pages, whole
from consumers.operations.select import Selection, in_order
from relay.contract.keys import Keys
from relay.contract.registry import WrongType

# With the command's own start it answers within a second.
LOOK_SECONDS = 0.3
# What is there to be seen at first, of each of many books.
FIRST_PAGE = 16
ERROR_CHARACTERS = 100

By = Literal["type", "error", "reason", "account"]

# What differs between errors of one kind: addresses, ids, numbers but for the status of an answer.
_PARTICULAR = re.compile(
    r"0x[0-9a-fA-F]+|\b[0-9a-fA-F-]*[0-9][0-9a-fA-F-]{7,}\b|(?!\b[45][0-9]{2}\b)\b[0-9]+|[0-9]{4,}"
)
_ENTRY_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The letters that were found.

    Args:
        letters: The newest first.
        looked_at: How many letters were looked at for that.
        go_on_until: The bound with which to look on; none where all was looked at.
        wrong: What stands where something of ours should, and was passed over.
    """

    letters: Sequence[DeadLetter]
    looked_at: int
    go_on_until: str | None
    wrong: Sequence[WrongType] = ()


@dataclass(slots=True)
class Row:
    """How many letters have something in common.

    Args:
        value: What they have in common; empty where they lack it.
        newest_ms: When the last of them was set aside, ms since the epoch.
        oldest_ms: When the first was.
        letters: How many there are.
    """

    value: str
    newest_ms: int
    oldest_ms: int
    letters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A summary of dead letters.

    Args:
        rows: The most frequent first.
        looked_at: How many letters were looked at for that.
        go_on_until: The bound with which to look on; none where all was looked at.
        wrong: What stands where something of ours should, and was passed over.
    """

    rows: Sequence[Row]
    looked_at: int
    go_on_until: str | None
    wrong: Sequence[WrongType] = ()


@dataclass(slots=True)
class _Look:
    """Looks at letters until it is enough.

    Args:
        seconds: After how long that is; none for never.
        looked_at: How many were.
        stopped_at: The first that was not, where it was enough.
        wrong: What was passed over.
    """

    seconds: float | None
    looked_at: int = 0
    stopped_at: str | None = None
    wrong: list[WrongType] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    async def through(self, redis: Redis, keys: Keys, choice: Choice) -> AsyncIterator[DeadLetter]:
        """Give the letters that are meant, the newest of all books first."""
        books, given = await find_books(redis, keys, choice, self.wrong), 0
        async for letter in _newest_first(redis, books, choice.selection):
            if given == choice.limit or self._is_enough():
                self.stopped_at = letter.letter_id
                return
            self.looked_at += 1
            if choice.selection.matches(letter.letter_id, letter.fields):
                given += 1
                yield letter

    def _is_enough(self) -> bool:
        if self.seconds is None or self.looked_at % 64 or not self.looked_at:
            return False
        return time.monotonic() - self._began > self.seconds


async def list_letters(
    redis: Redis, keys: Keys, choice: Choice, *, look_seconds: float | None = LOOK_SECONDS
) -> Found:
    """List dead letters over all groups, the newest first and without their bodies.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        choice: Which.
        look_seconds: After how long to stop looking; none for never.

    Raises:
        WrongType: Something else stands at the key of the tags.
    """
    look = _Look(look_seconds)
    letters = [letter async for letter in look.through(redis, keys, choice)]
    return Found(
        letters=letters,
        looked_at=look.looked_at,
        go_on_until=look.stopped_at,
        wrong=look.wrong,
    )


async def count_letters(
    redis: Redis, keys: Keys, choice: Choice, *, by: By, look_seconds: float | None = LOOK_SECONDS
) -> Counted:
    """Count dead letters by what they have in common.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        choice: Which.
        by: What they have in common; of errors, without most of the numbers and ids in them.
        look_seconds: After how long to stop looking; none for never.

    Raises:
        WrongType: Something else stands at the key of the tags.
    """
    look = _Look(look_seconds)
    rows: dict[str, Row] = {}
    async for letter in look.through(redis, keys, choice):
        value, at_ms = common(letter, by), letter.set_aside_ms
        row = rows.setdefault(value, Row(value, at_ms, at_ms))
        row.letters, row.oldest_ms = row.letters + 1, at_ms
    ordered = sorted(rows.values(), key=lambda row: -row.letters)
    return Counted(
        rows=ordered, looked_at=look.looked_at, go_on_until=look.stopped_at, wrong=look.wrong
    )


async def find_letters(
    redis: Redis,
    keys: Keys,
    choice: Choice,
    wanted: str,
    *,
    look_seconds: float | None = LOOK_SECONDS,
) -> Found:
    """Find the letters with an id, their bodies included.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        choice: Its endpoint and group.
        wanted: The letter's id, which is found at once, or the event's.
        look_seconds: After how long to stop looking; none for never.

    Raises:
        WrongType: Something else stands at the key of the tags.
    """
    if _ENTRY_ID.fullmatch(wanted):
        books = await find_books(redis, keys, choice, wrong=[])
        found = [letter for book in books if (letter := await whole(redis, book, wanted))]
        if found:
            return Found(letters=found, looked_at=len(found), go_on_until=None)
    named = replace(choice, selection=Selection(ids=frozenset({wanted})))
    listed = await list_letters(redis, keys, named, look_seconds=look_seconds)
    read = [await whole(redis, each.book, each.letter_id) for each in listed.letters]
    return replace(listed, letters=[letter for letter in read if letter is not None])


def common(letter: DeadLetter, by: By) -> str:
    """Say what a letter is counted under."""
    if by != "error":
        return letter.text(by)
    return _PARTICULAR.sub("#", letter.text("lasterror"))[:ERROR_CHARACTERS]


async def _newest_first(
    redis: Redis, books: Sequence[Book], selection: Selection
) -> AsyncIterator[DeadLetter]:
    """Merge the books, each read only as far as it is needed."""
    readers = [_letters_of(redis, book, selection) for book in books]
    heads: list[tuple[tuple[int, int], int, DeadLetter]] = []

    async def push(number: int) -> None:
        async for letter in readers[number]:
            ms, seq = in_order(letter.letter_id)
            heapq.heappush(heads, ((-ms, -seq), number, letter))
            return

    for number in range(len(readers)):
        await push(number)
    while heads:
        _, number, letter = heapq.heappop(heads)
        yield letter
        await push(number)


async def _letters_of(redis: Redis, book: Book, selection: Selection) -> AsyncIterator[DeadLetter]:
    part = Range(since=selection.since, until=selection.until, newest_first=True, first=FIRST_PAGE)
    async for page in pages(redis, book, part):
        for letter in page:
            yield letter
