"""Says which letters can be given to a handler again, and why others cannot."""

from collections.abc import Collection, Mapping
from functools import partial

from redis.asyncio import Redis

from consumers.operations.dead.choose import Bounded, Judge, Problem
from consumers.operations.dead.letters import DeadLetter
from consumers.operations.insist import insist
from relay.contract.connect import text_of
from relay.contract.entry import decode
from relay.contract.errors import UnreadableEntry
from relay.contract.keys import EVENT_TYPE, Keys

# Lua's stack holds eight thousand values, and each field is two.
MOST_FIELDS = 3950


async def judge_of(redis: Redis, keys: Keys, books: Collection[Bounded]) -> Judge:
    """Give what says why a letter cannot be redriven.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        books: Whose letters are judged.
    """
    types: dict[str, set[str]] = {}
    for tag in {one.book.tag for one in books}:
        names, _ = await insist(partial(redis.hkeys, keys.streams(tag)))
        types[tag] = {text_of(name) for name in names}
    return partial(problem_of, types=types)


def problem_of(letter: DeadLetter, *, types: Mapping[str, Collection[str]]) -> Problem | None:
    """Say why a letter cannot be redriven.

    Args:
        letter: With all fields that a reader looks at.
        types: The registered types of each tag. Workers find what is given again by them, so that
            a letter of another type would wait unread.
    """
    event_type = letter.text("type")
    if letter.field_count > MOST_FIELDS:
        return "too_many_fields"
    if EVENT_TYPE.fullmatch(event_type) is None:
        return "invalid_type"
    try:
        decode(letter.fields)
    except UnreadableEntry:
        return "unreadable"
    return None if event_type in types[letter.book.tag] else "unknown_type"


def nothing_wrong(_: DeadLetter) -> None:
    """Every letter can be dropped."""
