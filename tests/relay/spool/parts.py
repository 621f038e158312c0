"""A spool in front of a store that a test can take away, and that remembers as ours does."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from relay.contract.errors import StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.spool.directory import Directory
from relay.spool.observer import Failure, SpoolObserver
from relay.spool.row import Stream, stream_of
from relay.spool.spool import Spool
from relay.spool.spooling import Spooling
from tests.making import make_identified
from tests.waiting import wait_until

MIB = 1024 * 1024
A, B = ("unipile", "message.new"), ("unipile", "email.new")


def event(event_id: str, stream: Stream = A, **fields: Any) -> IdentifiedEvent:
    """Make an event of a stream."""
    tag, event_type = stream
    return make_identified(event_id, tag=tag, event_type=event_type, **fields)


class Store:
    """Takes events as the appender does, unless it is away, full, or refuses a stream."""

    deadline_seconds = 20.0

    def __init__(self) -> None:
        self.entries: dict[Stream, list[str]] = {}
        self.is_away = False
        self.is_full = False
        # Stored, and nobody hears of it.
        self.loses_answers = False
        self.refused: set[Stream] = set()
        self.calls = 0
        self.given_up = 0
        self.sent: list[str] = []
        self.held: list[asyncio.Future[Any]] | None = None
        self.spooling: Spooling | None = None
        self._known: set[tuple[str, bytes]] = set()

    def append(
        self, identified: IdentifiedEvent, *, past_caps: bool = False
    ) -> asyncio.Future[Appended | Duplicate]:
        """Store an event; it knows no caps."""
        del past_caps
        self.calls += 1
        self.sent.append(identified.event.id)
        if self.is_full:
            raise StoreFull
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.held is not None:
            self.held.append(answer)
            return self._later(answer, identified)
        asyncio.get_running_loop().call_soon(self._answer, answer, identified)
        return answer

    def _later(
        self, gate: asyncio.Future[Any], identified: IdentifiedEvent
    ) -> asyncio.Future[Appended | Duplicate]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        gate.add_done_callback(lambda _: self._answer(answer, identified))
        return answer

    def let_go(self) -> None:
        """Answer what was held."""
        held, self.held = self.held or [], None
        for gate in held:
            gate.set_result(None)

    def server_of(self, tag: str) -> str | None:
        """Name the one server that there is."""
        del tag
        return None

    async def probe_server(self, server: str | None, more_tags: Collection[str] = ()) -> None:
        """Say whether it is there."""
        del server, more_tags
        if self.is_away:
            raise ConnectionRefusedError

    def give_up(self) -> None:
        """Nothing waits longer than a turn of the loop."""
        self.given_up += 1

    def ids(self, stream: Stream = A) -> list[str]:
        """Give a stream's event ids in order."""
        return self.entries.get(stream, [])

    def _answer(self, answer: asyncio.Future[Any], identified: IdentifiedEvent) -> None:
        result = self._result(identified)
        if answer.done():
            return
        if isinstance(result, TryLater):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def _result(self, identified: IdentifiedEvent) -> Appended | Duplicate | TryLater:
        stream = stream_of(identified)
        if self.is_away:
            assert self.spooling is not None
            self.spooling.failed(self.give_up)
            return StoreUnavailable("no confirmation in time")
        if stream in self.refused:
            return StoreUnavailable("WRONGTYPE of another kind")
        identity = identified.tag, identified.identity
        is_known = identity in self._known
        if not is_known:
            self._known.add(identity)
            self.entries.setdefault(stream, []).append(identified.event.id)
        if self.loses_answers:
            return StoreUnavailable("no confirmation in time")
        return Duplicate("1-1") if is_known else Appended("1-1")


class Heard(SpoolObserver):
    """Keeps what the spool reports."""

    def __init__(self) -> None:
        self.spooled_tags: list[str] = []
        self.drained_tags: list[str] = []
        self.failures: list[Failure] = []

    def spooled(self, tag: str) -> None:
        """An event is on the disk."""
        self.spooled_tags.append(tag)

    def drained(self, tag: str) -> None:
        """An event is in its stream."""
        self.drained_tags.append(tag)

    def failed(self, failure: Failure) -> None:
        """Something went wrong."""
        self.failures.append(failure)


class Bench:
    """A spool over a directory, in front of a store.

    Args:
        path: The directory.
        store: The store.
        max_bytes: How much the spool may hold.
        spread: The store is several servers.
        late_seconds: How long after others it runs.
        found: Ids of the events that have an entry, of which the dedupe index says nothing.
    """

    def __init__(
        self,
        path: Path,
        store: Store,
        *,
        max_bytes: int = 64 * MIB,
        spread: bool = False,
        late_seconds: int = 0,
        found: Collection[str] = (),
    ) -> None:
        self.store = store
        self.heard = Heard()
        self.looked_up: list[list[int]] = []
        self.found = found
        self.now = 1_000_000.0 + late_seconds
        self.spool = Spool(
            Directory(path), max_bytes=max_bytes, observer=self.heard, clock=lambda: self.now
        )
        appender: Any = store
        self.spooling = Spooling(appender, self.spool, self._find, spread=spread)
        store.spooling = self.spooling

    async def _find(self, late: Any) -> set[int]:
        self.looked_up.append([each.row.sequence for each in late])
        return {each.row.sequence for each in late if each.identified.event.id in self.found}

    async def send(self, *ids: str, stream: Stream = A) -> list[Any]:
        """Append events at once; give results and errors."""
        calls = (self.spooling.append(event(event_id, stream)) for event_id in ids)
        async with asyncio.timeout(20):
            return await asyncio.gather(*calls, return_exceptions=True)

    async def until_drained(self) -> None:
        """Wait until nothing is left."""
        await wait_until(lambda: not self.spool.events, description="the spool is empty")


def endings(path: Path) -> list[str]:
    """Give the endings of the files in a directory."""
    return sorted(each.suffix for each in path.iterdir())


@asynccontextmanager
async def spooling(path: Path, store: Store, **arguments: Any) -> AsyncIterator[Bench]:
    """Have a spool that runs within the block."""
    bench = Bench(path, store, **arguments)
    await bench.spooling.start()
    try:
        yield bench
    finally:
        await bench.spooling.stop()


async def crash(bench: Bench) -> None:
    """End it as a kill would: nothing is written any more, and its locks are free."""
    await bench.spooling._duties.stop()
    for file in bench.spool.files:
        await file.writer.finish()
        await bench.spool.in_thread(file.file.close)
        file.lock.release()
    bench.spool._thread.shutdown()


@asynccontextmanager
async def crashing(path: Path, store: Store) -> AsyncIterator[Bench]:
    """Have a spool that runs within the block, and whose process is killed at its end."""
    bench = Bench(path, store)
    await bench.spooling.start()
    yield bench
    await crash(bench)
