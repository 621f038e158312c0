"""What watches accounts, without a worker around it, and what it has left in the store."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from consumers.event import Event
from consumers.here import Here
from consumers.unipile.account_gaps.announcing import Announcing
from consumers.unipile.account_gaps.books import Books
from consumers.unipile.account_gaps.worker import AccountGaps
from relay.append import Appender
from relay.contract import event as contract
from relay.contract.accounts import (
    GAP_TYPE,
    AccountBook,
    AccountStatus,
    read_book,
    read_status,
)
from relay.contract.caps import Caps
from relay.contract.cluster import at
from relay.contract.connect import text_of
from relay.contract.entry import decode
from relay.contract.event import IdentifiedEvent
from relay.contract.keys import Keys, endpoint_of
from tests.consumers.unipile.accounts_model import Interval, Told
from tests.waiting import wait_until

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


def given(stored: contract.Event, tag: str = TAG, *, stored_at_ms: int | None = None) -> Event:
    """Make of an event what a handler is given; it was stored when it was received."""
    at_ms = stored.received_at_ms if stored_at_ms is None else stored_at_ms
    return Event(stored, entry_id=f"{at_ms}-0", attempt=1, tag=tag)


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


async def store_statuses(store: Redis, tag: str, *events: contract.Event) -> None:
    """Store events of a tag as a gateway does."""
    await store.sadd(KEYS.tags, tag)
    appender = Appender(at(store, KEYS.streams(tag)), KEYS)
    source = f"/webhooks/{endpoint_of(tag)}"
    for event in events:
        identified = IdentifiedEvent(
            event=replace(event, source=source),
            tag=tag,
            identity=event.id.encode(),
            window_seconds=3600,
        )
        await appender.append(identified)
    await appender.stop()


async def until_announced(store: Redis, tag: str, count: int = 1) -> None:
    """Wait until so many gaps of a tag are."""

    async def is_so() -> bool:
        return len(await ids(store, tag)) >= count

    await wait_until(is_so, description=f"{count} announced in {tag}")
