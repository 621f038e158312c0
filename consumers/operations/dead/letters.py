"""Reads dead letters: events that a group has set aside, with the reason.

A group's dead letters in one tag are a book. It is read by pages of bounded size and without the
bodies, so that looking keeps others from the server for about a millisecond.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.asyncio import Redis

from consumers.operations.insist import insist
from consumers.operations.select import FIRST_ID, LAST_ID
from relay.contract.connect import text_of
from relay.contract.keys import Keys
from relay.contract.script import Script

PAGE = 256
# One page keeps the server for about a millisecond.
BYTES_PER_PAGE = 128 * 1024
# What a letter is judged and listed by.
LISTED = ("type", "id", "account", "reason", "attempts", "lasterror")
# All that a reader of the entry looks at, and what a letter has besides.
JUDGED = (
    *("specversion", "id", "source", "type", "time", "datacontenttype", "datacontentencoding"),
    *("account", "query", "traceparent", "originaltype", "batchid", "batchindex", "batchsize"),
    *("headers", "receivedat", "assurance", "relayversion", "data", "entryid", "reason"),
    *("attempts", "lasterror"),
)

_letters = Script("consumers", "operations/dead/walk", "operations/dead/letters")


@dataclass(frozen=True, slots=True, order=True)
class Book:
    """One group's dead letters in one tag.

    Args:
        tag: Endpoint or partition.
        group: Whose they are.
        key: Of their stream.
    """

    tag: str
    group: str
    key: str

    @classmethod
    def of(cls, keys: Keys, tag: str, group: str) -> "Book":
        """Name a group's book in a tag."""
        return cls(tag, group, keys.dead(tag, group))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter.

    Args:
        book: Where it is.
        letter_id: Its entry id there.
        fields: What was read of it, names as in docs/reference/streams.md; the last of a name.
        size_bytes: How large it is, its body included.
        field_count: How many fields it has.
    """

    book: Book
    letter_id: str
    fields: Mapping[bytes, bytes]
    size_bytes: int
    field_count: int

    def text(self, name: str) -> str:
        """Give a field as text, empty where it has none."""
        return self.fields.get(name.encode(), b"").decode("utf-8", "replace")

    @property
    def attempts(self) -> int:
        """How many runs failed; 0 where that cannot be read."""
        text = self.text("attempts")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0

    @property
    def set_aside_ms(self) -> int:
        """When it was set aside, ms since the epoch by the store's clock."""
        return int(self.letter_id.partition("-")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A part of a book, and what is wanted of its letters.

    Args:
        since: First letter id.
        until: Last letter id.
        newest_first: Begins with the last of them.
        names: Which fields are read.
        first: How many letters the first page has at most; later ones have more.
    """

    since: str = FIRST_ID
    until: str = LAST_ID
    newest_first: bool = False
    names: Sequence[str] = LISTED
    first: int = PAGE


def read_letter(book: Book, raw: Sequence[Any]) -> DeadLetter:
    """Read what a script tells of a letter."""
    letter_id, size_bytes, field_count, flat = raw
    return DeadLetter(
        book=book,
        letter_id=text_of(letter_id),
        fields=dict(zip(flat[::2], flat[1::2], strict=True)),
        size_bytes=size_bytes,
        field_count=field_count,
    )


async def pages(redis: Redis, book: Book, part: Range) -> AsyncIterator[list[DeadLetter]]:
    """Read a book page by page, through a store that is away for a while.

    Args:
        redis: Client with redis-py's retries off.
        book: Which.
        part: What of it.

    Yields:
        Letters without their bodies: with them 128 KiB, and at most four letters more.

    Raises:
        ResponseError: What stands there is no stream.
    """
    command, begin, end, most = "XRANGE", part.since, part.until, part.first
    if part.newest_first:
        command, begin, end = "XREVRANGE", part.until, part.since
    while begin:
        about: list[str | float] = [command, begin, end, most, BYTES_PER_PAGE, *part.names]
        reply, _ = await insist(partial(_letters, redis, [book.key], *about))
        behind = text_of(reply[0])
        yield [read_letter(book, raw) for raw in reply[1]]
        begin, most = f"({behind}" if behind else "", PAGE


async def newest_id(redis: Redis, book: Book) -> str | None:
    """Give the id of a book's newest letter; none where it has none."""
    async for page in pages(redis, book, Range(newest_first=True, names=(), first=1)):
        return page[0].letter_id if page else None
    return None


async def whole(redis: Redis, book: Book, letter_id: str) -> DeadLetter | None:
    """Read one letter with its body; none where it is gone."""
    found: Any = (await insist(partial(redis.xrange, book.key, letter_id, letter_id)))[0]
    if not found:
        return None
    fields = dict(found[0][1] or {})
    return DeadLetter(
        book=book,
        letter_id=text_of(found[0][0]),
        fields=fields,
        size_bytes=sum(len(name) + len(value) for name, value in fields.items()),
        field_count=len(fields),
    )
