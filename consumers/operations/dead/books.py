"""Finds the books of dead letters that an operation means.

Groups are known by the streams that they read and by the configuration. What a group left that no
stream has any more is found where the group is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.asyncio import Redis

from consumers.operations.dead.letters import Book
from consumers.operations.insist import insist
from consumers.operations.select import Selection
from relay.contract.connect import RedisError, ResponseError, text_of
from relay.contract.keys import Keys, endpoint_of

# So many commands go in one round trip.
AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which dead letters are meant.

    Args:
        endpoint: Only of this endpoint, all its partitions; none for every one.
        group: Only of this group; none for every one.
        selection: Which of theirs; its times are when they were set aside.
        limit: At most so many, 1 or more; none for all.
    """

    endpoint: str | None = None
    group: str | None = None
    selection: Selection = field(default_factory=Selection)
    limit: int | None = None


async def find_books(redis: Redis, keys: Keys, choice: Choice) -> list[Book]:
    """Find the books that are meant and hold anything.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        choice: Its endpoint and group.

    Returns:
        Sorted by tag and group.

    Raises:
        ResponseError: What stands at a book's key is no stream.
    """
    found: list[Book] = []
    for tag in await tags_of_choice(redis, keys, choice):
        groups = {choice.group} if choice.group else await _groups(redis, keys, tag)
        books = [Book.of(keys, tag, group) for group in sorted(groups)]
        lengths = await ask(redis, "xlen", [book.key for book in books])
        for book, length in zip(books, lengths, strict=True):
            if isinstance(length, Exception):
                raise length
            found += [book] if length else []
    return found


async def tags_of_choice(redis: Redis, keys: Keys, choice: Choice) -> list[str]:
    """List the tags of the endpoint that is meant, or all of them."""
    tags, _ = await insist(partial(redis.smembers, keys.tags))
    known = sorted(text_of(tag) for tag in tags)
    return [tag for tag in known if choice.endpoint in {None, endpoint_of(tag)}]


async def _groups(redis: Redis, keys: Keys, tag: str) -> set[str]:
    types, _ = await insist(partial(redis.hkeys, keys.streams(tag)))
    configured, _ = await insist(partial(redis.hkeys, keys.groups(tag)))
    streams = [keys.stream(tag, text_of(name)) for name in types]
    replies = await ask(redis, "xinfo_groups", streams)
    # Where it is no list, the stream is registered and gone.
    rows = [row for reply in replies if isinstance(reply, list) for row in reply]
    return {text_of(name) for name in [*configured, *(row["name"] for row in rows)]}


async def ask(redis: Redis, what: str, names: Sequence[str]) -> list[Any]:
    """Ask the same of many keys in bounded round trips; give an exception where one refuses."""
    replies: list[Any] = []
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        replies += (await insist(partial(_ask_once, redis, what, some)))[0]
    return replies


async def _ask_once(redis: Redis, what: str, names: Sequence[str]) -> list[Any]:
    pipeline = redis.pipeline(transaction=False)
    for name in names:
        getattr(pipeline, what)(name)
    replies: list[Any] = await pipeline.execute(raise_on_error=False)
    for reply in replies:
        # A key's own fault is for the caller; another is the store's, and passes.
        if isinstance(reply, RedisError) and not isinstance(reply, ResponseError):
            raise reply
    return replies
