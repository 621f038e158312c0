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
from relay.contract.registry import (
    WrongType,
    is_wrong_type,
    known_tags,
    known_types,
    listed_groups,
    wrong_type,
)

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


async def find_books(
    redis: Redis, keys: Keys, choice: Choice, wrong: list[WrongType] | None = None
) -> list[Book]:
    """Find the books that are meant and hold anything.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        choice: Its endpoint and group.
        wrong: Takes what stands where something of ours should, which is then passed over.

    Returns:
        Sorted by tag and group.

    Raises:
        WrongType: Something else stands at one of the keys, and is not taken by ``wrong``; or at
            that of the tags, without which nothing is known.
    """
    found: list[Book] = []
    for tag in await tags_of_choice(redis, keys, choice):
        groups = {choice.group} if choice.group else await _groups(redis, keys, tag, wrong)
        books = [Book.of(keys, tag, group) for group in sorted(groups)]
        lengths = await ask(redis, "xlen", [book.key for book in books])
        for book, length in zip(books, lengths, strict=True):
            if isinstance(length, ResponseError):
                if not is_wrong_type(length):
                    raise length
                _pass_over(await wrong_type(redis, book.key, "stream"), wrong)
            elif length:
                found.append(book)
    return found


async def tags_of_choice(redis: Redis, keys: Keys, choice: Choice) -> list[str]:
    """List the tags of the endpoint that is meant, or all of them."""
    known, _ = await insist(partial(known_tags, redis, keys))
    return [tag for tag in known if choice.endpoint in {None, endpoint_of(tag)}]


async def _groups(redis: Redis, keys: Keys, tag: str, wrong: list[WrongType] | None) -> set[str]:
    names: list[list[str]] = []
    for read in (known_types, listed_groups):
        try:
            names.append((await insist(partial(read, redis, keys, tag)))[0])
        except WrongType as error:
            _pass_over(error, wrong)
            names.append([])
    types, configured = names
    streams = [keys.stream(tag, name) for name in types]
    replies = await ask(redis, "xinfo_groups", streams)
    # Where it is no list, the stream is registered and gone.
    rows = [row for reply in replies if isinstance(reply, list) for row in reply]
    return {text_of(name) for name in [*configured, *(row["name"] for row in rows)]}


def _pass_over(error: WrongType, wrong: list[WrongType] | None) -> None:
    if wrong is None:
        raise error
    wrong.append(error)


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
