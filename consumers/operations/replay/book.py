"""The book of a replay in one tag: what it means, and how far it has come in each stream.

One hash for each tag, since a script's keys share a slot. It is written by scripts only, and
expires when nobody has gone on for a week.
"""

from collections.abc import Mapping, Sequence

import msgspec
from redis.asyncio import Redis

from consumers.operations.replay.wanted import Wanted, parts_of
from relay.contract.connect import text_of
from relay.contract.keys import Keys
from relay.contract.script import Script

KEEP_MS = 7 * 86_400_000
# Begins the fields that are no type's.
BOOK_FIELD = "@"
# A page of tags is asked for in one round trip.
PAGE = 256

_begin = Script("consumers", "waiting/member", "operations/replay/begin")


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a replay has come in one stream; written by copy.lua.

    Args:
        next: The entry to look at next; empty at the end.
        last: The last one that is meant, fixed at the beginning.
        planned: How many were meant at the beginning, about or exactly.
        exact: Which of the two.
        looked: How many were looked at.
        copied: How many were copied, and
        bytes: how large they are.
        large: How many have more fields than a script can write, and were left out.
        gone_from: The first entry that was removed before it could be looked at, if any was, and
        gone_until: the first one behind them that was there.
        newest: The last copy.
        mark: The copy that the group must have read before more may be ahead of it.
        unmarked: How many copies came after that mark.
    """

    next: str
    last: str
    planned: int = 0
    exact: bool = True
    looked: int = 0
    copied: int = 0
    bytes: int = 0
    large: int = 0
    gone_from: str = ""
    gone_until: str = ""
    newest: str = ""
    mark: str = ""
    unmarked: int = 0

    @property
    def gone(self) -> int:
        """How many of those meant were removed before they could be copied, as far as is known."""
        if not self.gone_from or self.next:
            return 0
        missing = self.planned - self.copied - self.large
        return max(missing, 1) if self.exact else 1


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """What a book says of the whole replay.

    Args:
        run: Tells this run from one that began anew.
        began_ms: When it began, by the store's clock.
        wanted: What it means.
        tags: Where it has books.
    """

    run: str
    began_ms: int
    wanted: Wanted
    tags: tuple[str, ...]


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One book, as it was read.

    Args:
        heading: What it says of the whole.
        streams: How far it has come, by type; each as it was written, and what that means.
    """

    heading: Heading
    streams: Mapping[str, tuple[bytes, StreamState]]

    @property
    def was_begun(self) -> bool:
        """Whether anything was looked at."""
        return any(state.looked for _, state in self.streams.values())


async def read_books(redis: Redis, keys: Keys, name: str, tags: Sequence[str]) -> dict[str, Book]:
    """Read a replay's books, where there are any.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        name: Of the replay.
        tags: Where to look.

    Returns:
        By tag. One that cannot be read counts as none. A book has a field for each type of its
        tag, a thousand at most.
    """
    found: dict[str, Book] = {}
    group, digits = parts_of(name)
    for start in range(0, len(tags), PAGE):
        some = tags[start : start + PAGE]
        pipeline = redis.pipeline(transaction=False)
        for tag in some:
            pipeline.hgetall(keys.replay(tag, group, digits))
        for tag, fields in zip(some, await pipeline.execute(raise_on_error=False), strict=True):
            book = None if isinstance(fields, Exception) else _read(fields)
            if book is not None:
                found[tag] = book
    return found


async def begin_book(
    redis: Redis, key: str, heading: Heading, streams: Mapping[str, StreamState], instead_of: str
) -> bool:
    """Begin a book.

    Args:
        redis: Client with redis-py's retries off.
        key: Of the book.
        heading: What it says of the whole.
        streams: Where each begins, by type.
        instead_of: The run whose book it may replace; empty where there must be none.

    Returns:
        Whether it is begun; false where another run has begun one.
    """
    fields: list[str | bytes] = [f"{BOOK_FIELD}heading", msgspec.json.encode(heading)]
    for event_type, state in streams.items():
        fields += (event_type, msgspec.json.encode(state))
    answer = await _begin(redis, [key], heading.run, instead_of, KEEP_MS, *fields)
    return bool(answer == b"begun")


def read_state(text: bytes) -> StreamState:
    """Read what is written of one stream.

    Raises:
        msgspec.MsgspecError: Somebody else has written it.
    """
    return msgspec.json.decode(text, type=StreamState)


def _read(fields: Mapping[bytes, bytes]) -> Book | None:
    try:
        heading = msgspec.json.decode(fields[f"{BOOK_FIELD}heading".encode()], type=Heading)
        streams = {
            text_of(name): (text, read_state(text))
            for name, text in fields.items()
            if not text_of(name).startswith(BOOK_FIELD)
        }
    except (KeyError, msgspec.MsgspecError):
        return None
    return Book(heading=heading, streams=streams)
