"""Looks at what streams hold of a range: counted as far as that is cheap, estimated beyond."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from consumers.operations.replay.wanted import Wanted
from consumers.operations.select import FIRST_ID, in_order
from relay.contract.connect import ResponseError, text_of
from relay.contract.script import Call, Script

# So many entries are looked at to count, over all streams: a tenth of a second or two.
LOOKS = 8192
LOOKS_PER_CALL = 64
LEAST_LOOKS = 8
BYTES_PER_CALL = 256 * 1024
PAGE = 64

_look = Script(
    "consumers", "waiting/member", "operations/replay/entries", "operations/replay/survey"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A part of a stream.

    Args:
        key: Of the stream.
        since: First entry id in the range.
        until: Last entry id in the range.
    """

    key: str
    since: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is known of a stream and a range of it.

    Args:
        length: How many entries the stream has.
        head: Its first entry, and
        tail: its last; empty where it has none.
        begin: The first entry in the range.
        looked: How many were looked at.
        meant: How many of them are meant.
        size_bytes: How large those are.
        oldest: The first of them, and
        newest: the last.
        next: The entry to look at next; empty where that was all.
        whole: All that the stream holds is meant, so that `length` says how much that is.
    """

    length: int
    head: str
    tail: str
    begin: str
    looked: int
    meant: int
    size_bytes: int
    oldest: str
    newest: str
    next: str
    whole: bool = False

    @property
    def exact(self) -> bool:
        """Whether `entries` is exact."""
        return self.whole or not self.next

    def entries(self, until: str) -> int:
        """Say how many are meant: exactly, or as if all came at an even pace.

        Args:
            until: Last entry id in the range.
        """
        if self.whole:
            return self.length
        if not self.next or not self.meant:
            return self.meant
        span_ms = max(1, _ms(self.tail) - _ms(self.head))
        part = min(1.0, max(0, _ms(until) - _ms(self.next)) / span_ms)
        rest = max(1, min(self.length - self.looked, round(self.length * part)))
        return self.meant + max(1, round(rest * self.meant / self.looked))


async def survey_all(
    redis: Redis, wanted: Wanted, ranges: Sequence[Range]
) -> list[Survey | ResponseError]:
    """Look at the beginning of each range, and on as far as there is time.

    Args:
        redis: Client with redis-py's retries off.
        wanted: Says which entries are meant.
        ranges: Where to look.

    Returns:
        One for each range; an error where the store refuses.
    """
    share = max(LEAST_LOOKS, LOOKS // max(1, len(ranges)))
    most = min(share, LOOKS_PER_CALL)
    calls = [_call(wanted, each, each.since, most) for each in ranges]
    surveys = [
        _judged(wanted, *pair) for pair in zip(ranges, await _ask(redis, calls), strict=True)
    ]
    # Large bodies fill a call with few entries, so calls are counted and not entries.
    for _ in range(math.ceil(share / LOOKS_PER_CALL) - 1):
        todo = [n for n, each in enumerate(surveys) if isinstance(each, Survey) and not each.exact]
        calls = [_call(wanted, ranges[n], _next(surveys[n]), most) for n in todo]
        for n, more in zip(todo, await _ask(redis, calls), strict=True):
            surveys[n] = _added(surveys[n], more)
    return surveys


def _call(wanted: Wanted, part: Range, start: str, most: int) -> Call:
    return [part.key], (start, part.until, most, BYTES_PER_CALL, *wanted.filter_arguments)


async def _ask(redis: Redis, calls: Sequence[Call]) -> list[Survey | ResponseError]:
    answers: list[Survey | ResponseError] = []
    for start in range(0, len(calls), PAGE):
        for reply in await _look.many(redis, calls[start : start + PAGE]):
            if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
                raise reply
            answers.append(reply if isinstance(reply, ResponseError) else _read(reply))
    return answers


def _read(reply: Sequence[Any]) -> Survey:
    texts = [text_of(reply[place]) for place in (1, 2, 3, 7, 8, 9)]
    head, tail, begin, oldest, newest, behind = texts
    return Survey(
        length=reply[0],
        head=head,
        tail=tail,
        begin=begin,
        looked=reply[4],
        meant=reply[5],
        size_bytes=reply[6],
        oldest=oldest,
        newest=newest,
        next=behind,
    )


def _judged(wanted: Wanted, part: Range, found: Survey | ResponseError) -> Survey | ResponseError:
    if isinstance(found, ResponseError) or wanted.is_filtered or found.begin != found.head:
        return found
    return replace(found, whole=in_order(part.until) >= in_order(found.tail or FIRST_ID))


def _next(found: Survey | ResponseError) -> str:
    return found.next if isinstance(found, Survey) else ""


def _added(found: Survey | ResponseError, more: Survey | ResponseError) -> Survey | ResponseError:
    if isinstance(found, ResponseError) or isinstance(more, ResponseError):
        return more
    return replace(
        found,
        looked=found.looked + more.looked,
        meant=found.meant + more.meant,
        size_bytes=found.size_bytes + more.size_bytes,
        oldest=found.oldest or more.oldest,
        newest=more.newest or found.newest,
        next=more.next,
    )


def _ms(entry_id: str) -> int:
    return in_order(entry_id or FIRST_ID)[0]
