"""Reads what the store knows of accounts, a page at a time, and says what cannot be read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from relay.contract.accounts import AccountStatus, Gap, read_book, read_status
from relay.contract.connect import ResponseError, text_of
from relay.contract.keys import Keys
from relay.contract.registry import WrongType, is_wrong_type, wrong_type

# As many accounts are asked for at once; an endpoint may have many thousands.
PAGE = 500


@dataclass(frozen=True, slots=True)
class Account:
    """One account.

    Args:
        tag: The endpoint, or the partition of it, that has it.
        name: Its id at the sender.
        status: How it is.
        gaps: Those that have closed and stand.
    """

    tag: str
    name: str
    status: AccountStatus
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """All accounts, and what was in the way.

    Args:
        accounts: By tag, then by name.
        wrong: Keys that hold something else.
        unreadable: By key, how many of its fields nobody of ours has written.
    """

    accounts: list[Account] = field(default_factory=list)
    wrong: list[WrongType] = field(default_factory=list)
    unreadable: Counter[str] = field(default_factory=Counter)


async def read_accounts(redis: Redis, keys: Keys, tags: Sequence[str]) -> Found:
    """Read the accounts of some tags.

    Args:
        redis: The client.
        keys: Makes the keys.
        tags: Which; one that cannot be read keeps no other from being read.

    Raises:
        RedisError, OSError: The store is away.
    """
    found = Found()
    for tag in tags:
        found.accounts.extend(await _Reading(redis, keys, tag, found).read())
    return found


class _Reading:
    """Reads one tag.

    Args:
        redis: The client.
        keys: Makes the keys.
        tag: Which.
        found: Takes what is in the way.
    """

    def __init__(self, redis: Redis, keys: Keys, tag: str, found: Found) -> None:
        self._redis = redis
        self._statuses, self._books = keys.accounts(tag), keys.gaps(tag)
        self._tag = tag
        self._found = found

    async def read(self) -> list[Account]:
        accounts: dict[bytes, Account] = {}
        cursor = None
        # A field may come twice, in pages that the store chooses.
        while cursor != 0:
            page = await self._page(cursor or 0)
            if page is None:
                break
            cursor, rows = page
            new = {name: value for name, value in rows.items() if name not in accounts}
            accounts |= await self._accounts(new)
        return [accounts[name] for name in sorted(accounts)]

    async def _page(self, cursor: int) -> tuple[int, dict[bytes, bytes]] | None:
        try:
            reply: Any = await self._redis.hscan(self._statuses, cursor, count=PAGE)
        except ResponseError as error:
            await self._note_wrong(self._statuses, error)
            return None
        return int(reply[0]), reply[1]

    async def _accounts(self, rows: dict[bytes, bytes]) -> dict[bytes, Account]:
        books = await self._books_of(list(rows))
        accounts = {}
        for (name, value), written in zip(rows.items(), books, strict=True):
            status = read_status(value)
            if status is None:
                self._found.unreadable[self._statuses] += 1
                continue
            book = read_book(written) if written else None
            if written and book is None:
                self._found.unreadable[self._books] += 1
            gaps = () if book is None else tuple(gap for gap in book.gaps if not gap.gone)
            accounts[name] = Account(self._tag, text_of(name), status, gaps)
        return accounts

    async def _books_of(self, names: list[bytes]) -> list[Any]:
        none: list[Any] = [None] * len(names)
        if not names:
            return none
        try:
            return list(await self._redis.hmget(self._books, names))
        except ResponseError as error:
            if all(each.key != self._books for each in self._found.wrong):
                await self._note_wrong(self._books, error)
            return none

    async def _note_wrong(self, key: str, error: ResponseError) -> None:
        if not is_wrong_type(error):
            raise error
        self._found.wrong.append(await wrong_type(self._redis, key, "hash"))
