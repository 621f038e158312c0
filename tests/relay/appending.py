"""An appender over a store, and what it reports."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from relay.append import Appender, Dropped, Observer
from relay.append.spread import SpreadAppender
from relay.contract.cluster import is_cluster
from relay.contract.entry import decode
from relay.contract.event import Appended, Duplicate, Event, IdentifiedEvent
from relay.contract.keys import Keys
from tests.waiting import wait_until

KEYS = Keys()
Result = Appended | Duplicate | BaseException


@dataclass
class Heard(Observer):
    """Keeps what the appender reports."""

    flushes: list[int] = field(default_factory=list)
    new_streams: list[tuple[str, str]] = field(default_factory=list)
    misplacements: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    drops: list[tuple[str, Dropped]] = field(default_factory=list)
    full: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    failures: int = 0
    failed_at: list[Redis] = field(default_factory=list)

    def flushed(self, events: int, seconds: float) -> None:
        """One flush was answered."""
        assert seconds >= 0
        self.flushes.append(events)

    def registered(self, tag: str, event_type: str) -> None:
        """A stream was begun."""
        self.new_streams.append((tag, event_type))

    def misplaced(self, tag: str) -> None:
        """An event went to ``unidentified``."""
        self.misplacements.append(tag)

    def changed_body(self, tag: str) -> None:
        """A known id came with another body."""
        self.changed.append(tag)

    def failed(self, give_up: Callable[[], None], server: Redis) -> None:
        """A flush was not answered; who waits goes on waiting."""
        del give_up
        self.failures += 1
        self.failed_at.append(server)

    def stream_full(self, tag: str, event_type: str) -> None:
        """An event was refused, since its stream is at its cap."""
        self.full.append((tag, event_type))

    def dropped(self, tag: str, dropped: Dropped) -> None:
        """A stream at its cap has lost its oldest entries."""
        self.drops.append((tag, dropped))

    def connected(self) -> None:
        """The store answers again."""
        self.connections += 1


@dataclass
class Bench:
    """A store, an appender over it, and what that reported."""

    client: Redis
    appender: Appender
    heard: Heard

    @property
    def is_under_way(self) -> bool:
        """Whether a flush has events in hand, to whatever server."""
        return any(each._in_flight for each in self._appenders)

    @property
    def _appenders(self) -> list[Appender]:
        parts = self.appender._parts.values() if isinstance(self.appender, SpreadAppender) else ()
        return [self.appender, *parts]

    def give_up(self) -> None:
        """Answer all who wait, for whatever server."""
        for each in self._appenders:
            each.give_up()

    async def append(self, *events: IdentifiedEvent) -> list[Result]:
        """Append events at once, so that they share a flush; give results and errors."""
        calls = (self._append(event) for event in events)
        async with asyncio.timeout(30):
            return await asyncio.gather(*calls, return_exceptions=True)

    async def _append(self, event: IdentifiedEvent) -> Appended | Duplicate:
        return await self.appender.append(event)

    async def events(
        self, event_type: str = "message.new", tag: str = "unipile"
    ) -> dict[str, Event]:
        """Give a stream's events by entry id."""
        raw: Any = await self.client.xrange(KEYS.stream(tag, event_type))
        return {entry_id.decode(): decode(fields) for entry_id, fields in raw}

    async def delete_stream(self, event_type: str = "message.new") -> None:
        """Delete a stream, and return when a new one cannot begin with one of its ids."""
        last = max(int(one.partition("-")[0]) for one in await self.events(event_type))
        await self.client.delete(KEYS.stream("unipile", event_type))
        await wait_until(lambda: time.time() * 1000 > last + 1, description="a ms has passed")

    async def buckets(self) -> dict[str, dict[bytes, bytes]]:
        """Give the buckets of the dedupe index: identity -> mark."""
        names: Any = await self.client.keys("*@seen*:*:*:*:*")
        return {name.decode(): await self._fields(name) for name in names}

    async def marks(self) -> dict[bytes, bytes]:
        """Give all marks of the dedupe index by identity."""
        return {
            identity: mark
            for bucket in (await self.buckets()).values()
            for identity, mark in bucket.items()
        }

    async def books(self) -> dict[str, dict[bytes, bytes]]:
        """Give the books of the dedupe index: slice -> buckets and marks."""
        names: Any = await self.client.keys("*@seen*:*")
        found = [name for name in names if name.count(b":") == 2]
        return {name.decode(): await self._fields(name) for name in found}

    async def _fields(self, name: bytes) -> dict[bytes, bytes]:
        raw: Any = await self.client.hgetall(name)
        return dict(raw)

    async def streams(self, tag: str = "unipile") -> dict[str, str]:
        """Give the tag's registered streams."""
        raw: Any = await self.client.hgetall(KEYS.streams(tag))
        return {name.decode(): entry.decode() for name, entry in raw.items()}


def make_bench(client: Redis, **arguments: Any) -> Bench:
    """Put an appender over a client."""
    heard = Heard()
    if is_cluster(client):
        is_full = arguments.pop("is_full", lambda: False)
        arguments["is_full_at"] = lambda _: is_full()
    kind = SpreadAppender if is_cluster(client) else Appender
    return Bench(client, kind(client, KEYS, observer=heard, **arguments), heard)


def has_run(replies: Sequence[Any]) -> bool:
    """Tell whether the store has run what it was sent, and did not just ask for the script."""
    return not any(isinstance(reply, NoScriptError) for reply in replies)


def entry_id(result: Result) -> str:
    """Give the entry id of a result that must be one."""
    assert isinstance(result, Appended | Duplicate), repr(result)
    return result.entry_id
