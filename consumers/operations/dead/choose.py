"""Walks through the letters that an operation means, oldest first, up to where it began.

A letter that fails again becomes a newer one. So the newest letter that there is at the start is
the bound of the whole run: what comes behind it is met neither by this run nor by one that goes on
after an interruption, if that is given the same bound.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from redis.asyncio import Redis

from consumers.operations.dead.books import Choice, find_books
from consumers.operations.dead.letters import JUDGED, Book, DeadLetter, Range, newest_id, pages
from consumers.operations.select import in_order
from relay.contract.keys import Keys

# Why a letter is left as it is.
Problem = Literal[
    "invalid_type", "unknown_type", "unreadable", "too_many_fields", "wrong_key", "gone"
]


class Judge(Protocol):
    """Says which letters have to be left as they are."""

    def of_letter(self, letter: DeadLetter) -> Problem | None:
        """Say why a letter has to be left; none where nothing stands in the way."""

    def of_type(self, tag: str, event_type: str) -> Problem | None:
        """Say the same of every letter of a type that is in the form of an entry."""

    @property
    def wants_entries(self) -> bool:
        """Whether a letter must be in the form of an entry."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A book, and up to where it is meant.

    Args:
        book: Which.
        until: The last letter id that is meant.
    """

    book: Book
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What one page holds for an operation.

    Args:
        book: Where the letters are.
        letters: What it is done to, oldest first.
        left: What is meant and left as it is, each with why.
        seen: How many letters were looked at.
    """

    book: Book
    letters: Sequence[DeadLetter]
    left: Sequence[tuple[DeadLetter, Problem]]
    seen: int


async def bounded(redis: Redis, keys: Keys, choice: Choice) -> list[Bounded]:
    """Find the books that are meant, each up to its newest letter now."""
    found = []
    for book in await find_books(redis, keys, choice):
        newest = await newest_id(redis, book)
        if newest is not None:
            until = min(newest, choice.selection.until, key=in_order)
            found.append(Bounded(book, until))
    return found


async def choose(
    redis: Redis, books: Sequence[Bounded], choice: Choice, judge: Judge
) -> AsyncIterator[Chosen]:
    """Give the letters that are meant, page by page.

    Args:
        redis: Client with redis-py's retries off.
        books: From `bounded`.
        choice: Which of their letters, and how many at most.
        judge: Says which of them have to be left as they are.
    """
    room = choice.limit
    for one in books:
        part = Range(since=choice.selection.since, until=one.until, names=JUDGED)
        async for page in pages(redis, one.book, part):
            if room == 0:
                return
            chosen = of_page(one.book, page, choice, judge)
            if room is not None:
                chosen = _at_most(room, chosen)
                room -= len(chosen.letters)
            yield chosen


def of_page(book: Book, page: Sequence[DeadLetter], choice: Choice, judge: Judge) -> Chosen:
    """Give what a page of letters holds for an operation, whatever its limit."""
    meant = [each for each in page if choice.selection.matches(each.letter_id, each.fields)]
    judged = [(letter, judge.of_letter(letter)) for letter in meant]
    return Chosen(
        book=book,
        letters=[letter for letter, problem in judged if problem is None],
        left=[(letter, problem) for letter, problem in judged if problem is not None],
        seen=len(page),
    )


def _at_most(room: int, chosen: Chosen) -> Chosen:
    """Leave out what is behind the limit."""
    if len(chosen.letters) <= room:
        return chosen
    last = in_order(chosen.letters[room - 1].letter_id)
    left = [each for each in chosen.left if in_order(each[0].letter_id) < last]
    return Chosen(book=chosen.book, letters=chosen.letters[:room], left=left, seen=chosen.seen)
