"""Waits for the first delivery that a secret proves, and says meanwhile what is refused.

The endpoint's book says that the secret has proved one, and its streams which one that was. Nothing
is taken from anybody: streams are read without a group.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field

from relay.commands.endpoints.glance import NOT_THE_SENDER
from relay.commands.follow import follow
from relay.commands.rejections.judging import Configured, configured, explained
from relay.commands.secrets.known import read_book
from relay.commands.store import Store
from relay.commands.unipile.reloading import Say
from relay.contract.duties import cancel
from relay.contract.entry import decode
from relay.contract.errors import UnreadableEntry
from relay.contract.event import Event
from relay.contract.patterns import Pattern
from relay.contract.printable import printable
from relay.rejections.read import newest_rows, read_row
from relay.rejections.rejection import Rejection
from relay.usage import Outcome

LOOK_SECONDS = 0.5
# A gateway writes the book two seconds after the stream, so the entry is there by then.
ENTRY_SECONDS = 2.0
BLOCK_SECONDS = 0.5
# Of those that come meanwhile; the first is among them unless very many come at once.
KEPT_ENTRIES = 1000
# Each refusal tells the same as the one before, mostly.
MOST_TOLD = 5
MOST_ROWS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """What is waited for.

    Args:
        endpoint: Name of the endpoint here.
        fingerprint: Of the secret.
        since_ms: From when on streams are read, by the store's clock, ms since the epoch.
        proved_before: How many deliveries the secret had proved when it did not count, which tell
            nothing; 0 where all do.
        redis_url: What ``--redis-url`` said, if anything.
    """

    endpoint: str
    fingerprint: str
    since_ms: int
    proved_before: int = 0
    redis_url: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A secret has proved a delivery.

    Args:
        used: How often, and when first and last.
        stream: Where the event is; empty where it is in none, or came before it was waited for.
        event: The event.
    """

    used: Outcome
    stream: str = ""
    event: Event | None = None


async def first_delivery(
    store: Store, awaited: Awaited, wait_seconds: float, say: Say
) -> Arrival | None:
    """Wait for the first delivery that a secret proves.

    Args:
        store: Of the gateways; it may block for `BLOCK_SECONDS`.
        awaited: What is waited for.
        wait_seconds: For how long.
        say: Takes a line for each new reason for which something is refused.

    Returns:
        What came; none where nothing did in time.
    """
    refusals = _Refusals(store, awaited, configured(awaited.redis_url))
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + wait_seconds
    async with _seen(store, awaited) as seen:
        while True:
            used = (await read_book(store, awaited.endpoint)).proved_by(awaited.fingerprint)
            if used is not None and used.count > awaited.proved_before:
                return await _arrival(used, awaited, seen)
            for line in await refusals.news():
                say(line)
            if loop.time() >= ends_at:
                return None
            await asyncio.sleep(LOOK_SECONDS)


@dataclass
class _Seen:
    """What has come into the endpoint's streams.

    Args:
        entries: Each event and its stream.
        any: Set once there is one.
    """

    entries: deque[tuple[str, Event]] = field(default_factory=lambda: deque(maxlen=KEPT_ENTRIES))
    any: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, stream: str, event: Event) -> None:
        """Take note of an event."""
        self.entries.append((stream, event))
        self.any.set()


@asynccontextmanager
async def _seen(store: Store, awaited: Awaited) -> AsyncIterator[_Seen]:
    """Have what comes into the endpoint's streams, within the block."""
    seen = _Seen()

    async def collect() -> None:
        pattern = Pattern(awaited.endpoint, "*")
        start = f"{awaited.since_ms}-0"
        async with aclosing(follow(store, pattern, start, BLOCK_SECONDS)) as following:
            async for found in following:
                try:
                    seen.take(found.stream.key, decode(found.fields))
                except UnreadableEntry:
                    continue

    task = asyncio.create_task(collect(), name="follow")
    try:
        yield seen
    finally:
        await cancel([task])


async def _arrival(used: Outcome, awaited: Awaited, seen: _Seen) -> Arrival:
    """Find the event of the first delivery that was proved."""
    if used.first_ms < awaited.since_ms:
        return Arrival(used)
    with suppress(TimeoutError):
        async with asyncio.timeout(ENTRY_SECONDS):
            await seen.any.wait()
    # It was taken note of as soon as it was stored, so its entry is the last before that.
    before = [each for each in seen.entries if each[1].received_at_ms <= used.first_ms]
    if not before:
        return Arrival(used)
    return Arrival(used, *max(before, key=lambda each: each[1].received_at_ms))


@dataclass
class _Refusals:
    """Reads what is refused meanwhile.

    Args:
        store: Of the gateways.
        awaited: Whose refusals, and from when on.
        known: By which they are judged again.
        seen: Ids of the rows that have been looked at.
        told: Causes that were said.
    """

    store: Store
    awaited: Awaited
    known: Configured
    seen: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    async def news(self) -> list[str]:
        """Give a line for each cause that was not said yet."""
        lines = []
        for row in await self._rows():
            cause = await self._cause(row)
            if cause not in self.told and len(self.told) < MOST_TOLD:
                lines.append(f"Refused ({printable(row.reason, 80)}): {cause}")
            self.told.add(cause)
        return lines

    async def _rows(self) -> Iterable[Rejection]:
        """Give the rows that are new, the oldest first, without what is no delivery."""
        found: list[Rejection] = []
        redis, keys = self.store.redis, self.store.keys
        # An iterator made by yield can be closed; its annotation does not say so.
        async with aclosing(newest_rows(redis, keys, self.awaited.endpoint)) as rows:  # type: ignore[type-var]
            async for row in rows:
                is_old = row.received_at_ms < self.awaited.since_ms or row.id in self.seen
                if is_old or len(found) == MOST_ROWS:
                    break
                found.append(row)
        self.seen.update(row.id for row in found)
        return [row for row in reversed(found) if row.reason != NOT_THE_SENDER]

    async def _cause(self, row: Rejection) -> str:
        whole = await read_row(self.store.redis, self.store.keys, row.endpoint, row.id)
        said = await explained(whole or row, self.known, time.time_ns() // 1_000_000)
        return printable(said.cause, 1000)
