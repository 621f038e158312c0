"""Counts dead letters on the server, so that a plan need not bring each of them here.

What the server cannot judge without doubt it gives back, to be judged here. What it counts has all
that a worker looks at when it reads an entry, and no worker has called it unreadable. Another
program's letter can still have an optional field that cannot be read: only the run finds that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.asyncio import Redis

from consumers.operations.dead.letters import JUDGED, Book, DeadLetter, read_letter
from consumers.operations.insist import insist
from consumers.operations.select import Selection, behind, in_order
from relay.contract.connect import text_of
from relay.contract.script import Script

# Bounded so that no page keeps the server for long; `make bench-commands` judges it.
PAGE = 512
BYTES_PER_PAGE = 384 * 1024

_count = Script("consumers", "operations/dead/walk", "operations/dead/count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How many of a page's letters have type and reason in common.

    Args:
        event_type: Their type.
        reason: Why they were set aside.
        letters: How many there are.
        first: The first of them, as many as were wanted.
    """

    event_type: str
    reason: str
    letters: int
    first: Sequence[DeadLetter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one page holds.

    Args:
        seen: How many letters were looked at.
        kinds: What is meant, but for the types, and can be read.
        doubtful: What is left to be judged here.
        behind: Where the next page begins; empty where this was the last.
    """

    seen: int
    kinds: Sequence[Kind]
    doubtful: Sequence[DeadLetter]
    behind: str


def can_count(selection: Selection) -> bool:
    """Tell whether the server understands what is meant: it compares bytes, not texts."""
    texts = (selection.account, selection.reason, selection.error)
    given = [*(text for text in texts if text is not None), *selection.ids]
    return all(text and text.isascii() for text in given)


async def count_page(
    redis: Redis, book: Book, selection: Selection, *, first: int, readable: bool
) -> Counts:
    """Count one page, the oldest letters first.

    Args:
        redis: Client with redis-py's retries off.
        book: Where the letters are.
        selection: Which are meant, from where on and until where; its types are left to the caller.
        first: How many of each kind are wanted themselves.
        readable: What is not in the form of an entry is doubtful.

    Raises:
        ResponseError: What stands there is no stream.
    """
    about: list[str | float] = [selection.since, selection.until, PAGE, BYTES_PER_PAGE, first]
    about += ["1" if readable else "", selection.account or "", selection.reason or ""]
    about += [(selection.error or "").lower(), len(selection.ids), *sorted(selection.ids)]
    call = partial(_count, redis, [book.key], *about, *JUDGED)
    (last, seen, kinds, doubtful), _ = await insist(call)
    last_id = text_of(last)
    is_last = not last_id or in_order(last_id) >= in_order(selection.until)
    return Counts(
        seen=seen,
        kinds=[_kind(book, raw) for raw in kinds],
        doubtful=[read_letter(book, raw) for raw in doubtful],
        behind="" if is_last else behind(last_id),
    )


def _kind(book: Book, raw: Sequence[Any]) -> Kind:
    event_type, reason, letters, first = raw
    return Kind(
        event_type=text_of(event_type),
        reason=text_of(reason),
        letters=letters,
        first=[read_letter(book, letter) for letter in first],
    )
