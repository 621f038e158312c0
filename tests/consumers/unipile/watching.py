"""What watches accounts, without a worker around it, and what it has left in the store."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from redis.asyncio import Redis

from consumers.event import Event
from consumers.here import Here
from consumers.unipile.account_gaps.announcing import Announcing
from consumers.unipile.account_gaps.books import Books
from consumers.unipile.account_gaps.worker import AccountGaps
from relay.contract import event as contract
from relay.contract.accounts import (
    GAP_TYPE,
    AccountBook,
    AccountStatus,
    read_book,
    read_status,
)
from relay.contract.caps import Caps
from relay.contract.connect import text_of
from relay.contract.entry import decode
from relay.contract.keys import Keys
from tests.consumers.unipile.accounts_model import Interval, Told

KEYS = Keys()
TAG = "unipile"


def here(replicas: int = 0, caps: Caps | None = None) -> Here:
    """Say what a worker knows of its store; where it is the client knows."""
    return Here("", KEYS, caps or Caps(), replicas)


@asynccontextmanager
async def watching(store: Redis, **about: Any) -> AsyncIterator[AccountGaps]:
    """Have what folds and announces within the block."""
    announcing = Announcing(store, here(**about))
    try:
        yield AccountGaps(Books(store, KEYS), announcing)
    finally:
        await announcing.stop()


def given(stored: contract.Event, tag: str = TAG) -> Event:
    """Make of an event what a handler is given."""
    return Event(stored, entry_id="1-0", attempt=1, tag=tag)


async def take_all(gaps: AccountGaps, told: Iterable[Told], tag: str = TAG) -> None:
    """Take what is told, one after the other."""
    for number, each in enumerate(told):
        await gaps.take(given(each.event(f"evt_{number}"), tag))


async def book_of(store: Redis, account: str, tag: str = TAG) -> AccountBook:
    """Read an account's book."""
    value: Any = await store.hget(KEYS.gaps(tag), account)
    found = read_book(value)
    assert found is not None, value
    return found


async def status_in(store: Redis, account: str, tag: str = TAG) -> AccountStatus:
    """Read how an account is."""
    value: Any = await store.hget(KEYS.accounts(tag), account)
    found = read_status(value)
    assert found is not None, value
    return found


async def gaps_in(store: Redis, account: str, tag: str = TAG) -> set[Interval]:
    """Give the gaps in an account's book that stand."""
    book = await book_of(store, account, tag)
    return {(gap.product, gap.opened, gap.closed) for gap in book.gaps if not gap.gone}


async def announced(store: Redis, tag: str = TAG) -> list[contract.Event]:
    """Give the events of gaps, in their order."""
    entries: Any = await store.xrange(KEYS.stream(tag, GAP_TYPE))
    return [decode(fields) for _, fields in entries]


def intervals(events: Iterable[contract.Event]) -> dict[str, set[Interval]]:
    """Give the gaps that were announced, by account."""
    found: dict[str, set[Interval]] = {}
    for event in events:
        data = msgspec.json.decode(event.data)
        assert data["account"] == event.account
        gap = (data["product"], data["opened"], data["closed"])
        found.setdefault(data["account"], set()).add(gap)
    return found


async def ids(store: Redis, tag: str = TAG) -> list[str]:
    """Give the ids of the events of gaps."""
    return [text_of(event.id) for event in await announced(store, tag)]
