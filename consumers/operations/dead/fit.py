"""Says which letters can be given to a handler again, and why others cannot."""

from collections.abc import Collection, Mapping
from functools import partial

from redis.asyncio import Redis

from consumers.operations.dead.choose import Bounded, Problem
from consumers.operations.dead.letters import DeadLetter
from consumers.operations.insist import insist
from relay.contract.entry import decode
from relay.contract.errors import UnreadableEntry
from relay.contract.keys import EVENT_TYPE, Keys
from relay.contract.registry import known_types

# Lua's stack holds eight thousand values, and each field is two.
MOST_FIELDS = 3950


class Fit:
    """Judges whether a letter can be given to a handler again.

    Args:
        types: The registered types of each tag. Workers find what is given again by them, so that
            a letter of another type would wait unread.
    """

    wants_entries = True

    def __init__(self, types: Mapping[str, Collection[str]]) -> None:
        self._types = types

    def of_letter(self, letter: DeadLetter) -> Problem | None:
        """Judge one, which has all fields that a reader looks at."""
        if letter.field_count > MOST_FIELDS:
            return "too_many_fields"
        problem = self.of_type(letter.book.tag, letter.text("type"))
        if problem == "invalid_type":
            return problem
        try:
            decode(letter.fields)
        except UnreadableEntry:
            return "unreadable"
        return problem

    def of_type(self, tag: str, event_type: str) -> Problem | None:
        """Judge all of a type that can be read."""
        if EVENT_TYPE.fullmatch(event_type) is None:
            return "invalid_type"
        return None if event_type in self._types[tag] else "unknown_type"


class Anything:
    """Finds nothing wrong: every letter can be dropped."""

    wants_entries = False

    def of_letter(self, letter: DeadLetter) -> None:
        """Find nothing wrong with a letter."""

    def of_type(self, tag: str, event_type: str) -> None:
        """Find nothing wrong with a type."""


async def judge_of(redis: Redis, keys: Keys, books: Collection[Bounded]) -> Fit:
    """Give what says why a letter cannot be redriven.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        books: Whose letters are judged.

    Raises:
        WrongType: Something else stands where the types of one of their tags should.
    """
    types: dict[str, set[str]] = {}
    for tag in sorted({one.book.tag for one in books}):
        names, _ = await insist(partial(known_types, redis, keys, tag))
        types[tag] = set(names)
    return Fit(types)
