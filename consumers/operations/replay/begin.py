"""Begins a replay: writes its books, and copies nothing yet."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec
from redis.asyncio import Redis

from consumers.operations.insist import insist
from consumers.operations.replay.book import Book, Heading, StreamState, begin_book, read_books
from consumers.operations.replay.plan import PlannedStream, ReplayPlan, plan_replay
from consumers.operations.replay.wanted import ReplayRefused, Wanted, name_of, parts_of
from consumers.operations.select import LAST_NUMBER, in_order
from relay.contract.keys import Keys
from relay.contract.printable import printable


async def start_replay(
    redis: Redis,
    keys: Keys,
    plan: ReplayPlan,
    *,
    said: Iterable[str] = (),
    anew: bool = False,
) -> str:
    """Begin what was planned; `continue_replay` then does it.

    The bounds of each stream are those of the plan, so what arrives later is not copied. Books
    are written in every tag before the first copy is made.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        plan: From `plan_replay`.
        said: What was asked for, where its words tell more than its meaning: "2h" is the same
            when it is asked for again. What is meant where left out.
        anew: Begin even where the same was begun and not ended, which is then given up.

    Returns:
        The replay's id.

    Raises:
        ReplayRefused: The same was begun and not ended; or nothing can be copied.
        RedisError, OSError: The store refuses it, or was away for a minute.
    """
    if not plan.streams:
        raise ReplayRefused("Nothing can be replayed: see the plan.")
    name = name_of(plan.wanted.group, said or _words(plan.wanted))
    books, _ = await insist(partial(read_books, redis, keys, name, plan.tags))
    if not anew and _has_not_ended(list(books.values())):
        raise ReplayRefused(
            f"The same replay was begun at {_began(books.values())} and has not ended. Go on with "
            f"it: relay replay --resume {name} (or begin it once more, as it is meant now: --anew)"
        )
    seconds, microseconds = await redis.time()
    heading = Heading(
        run=secrets.token_hex(8),
        began_ms=1000 * seconds + microseconds // 1000,
        wanted=plan.wanted,
        tags=tuple(sorted({each.stream.tag for each in plan.streams})),
    )
    await _begin_all(redis, keys, name, heading, plan.streams, books)
    return name


async def complete(redis: Redis, keys: Keys, name: str, books: dict[str, Book]) -> None:
    """Write the books that a run did not come to write before it was interrupted.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        name: Of the replay.
        books: Those of all tags; what is left is of the newest run, and whole.

    Raises:
        ReplayRefused: Another run began meanwhile.
    """
    newest = _newest(books.values())
    former = {tag: book for tag, book in books.items() if book.heading.run != newest.run}
    for tag in former:
        del books[tag]
    missing = [tag for tag in newest.tags if tag not in books]
    # Nothing is copied before all are there: one that is missing later has expired, or was
    # deleted, and what became of its streams is not known any more.
    if not missing or any(book.was_begun for book in books.values()):
        return
    # What arrived since it began is none of it, though the group may have read that by now.
    began = f"{newest.began_ms}-{LAST_NUMBER}"
    until = min(newest.wanted.until, began, key=in_order)
    wanted = msgspec.structs.replace(newest.wanted, until=until)
    plan = await plan_replay(redis, keys, wanted, tags=missing)
    if plan.faults:
        # Without what cannot be looked at now the book would say that there is nothing.
        key, fault = plan.faults[0]
        raise ReplayRefused(f"{printable(key)} cannot be looked at: {printable(fault, 1000)}")
    await _begin_all(redis, keys, name, newest, plan.streams, former)
    books |= await read_books(redis, keys, name, missing)


def _newest(books: Iterable[Book]) -> Heading:
    return max(books, key=lambda book: book.heading.began_ms).heading


def _began(books: Iterable[Book]) -> str:
    """Say when: "2h" meant another time then, and what is gone on with is what was meant."""
    at = datetime.fromtimestamp(_newest(books).began_ms / 1000, UTC)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _has_not_ended(books: Sequence[Book]) -> bool:
    """Tell whether the newest run has something left to do; former ones have been given up."""
    if not books:
        return False
    newest = _newest(books)
    streams = [
        state
        for book in books
        if book.heading.run == newest.run
        for _, state in book.streams.values()
    ]
    limit = newest.wanted.limit
    if limit is not None and sum(state.copied for state in streams) >= limit:
        return False
    return any(state.next for state in streams)


async def _begin_all(
    redis: Redis,
    keys: Keys,
    name: str,
    heading: Heading,
    streams: Sequence[PlannedStream],
    books: Mapping[str, Book],
) -> None:
    group, digits = parts_of(name)
    for tag in heading.tags:
        key = keys.replay(tag, group, digits)
        states = {
            each.stream.event_type: _state(each) for each in streams if each.stream.tag == tag
        }
        before = books[tag].heading.run if tag in books else ""
        begun, _ = await insist(partial(begin_book, redis, key, heading, states, before))
        if not begun:
            raise ReplayRefused(f"The same replay began elsewhere: relay replay --resume {name}")


def _state(planned: PlannedStream) -> StreamState:
    return StreamState(
        next=planned.first,
        last=planned.last,
        planned=planned.entries,
        exact=planned.exact,
    )


def _words(wanted: Wanted) -> list[str]:
    return [msgspec.json.encode(wanted).decode()]
