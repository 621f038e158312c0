"""Several fake servers in front of which a spool stands, each with streams of its own."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from relay.contract.errors import StoreFull, StoreUnavailable, TryLater
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from tests.relay.spool.parts import Store, crashing

# A stream on each of two servers, which are called after their tags.
A, B = ("on-a", "message.new"), ("on-b", "message.new")
A_TAG, B_TAG = A[0], B[0]


class Servers(Store):
    """Several servers, any of which may be away, full, or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.away: set[str] = set()
        self.full: set[str] = set()
        self.refusals = 0
        # These say nothing when they are asked whether they are there.
        self.hanging: set[str] = set()
        self.asked: list[str] = []
        # With these, which a spool names since it has events of them.
        self.known_tags: set[str] = set()
        # Who has a tag, where that is not the one that is called after it.
        self.moved: dict[str, str] = {}

    def server_of(self, tag: str) -> str:
        """Name the server that has a tag."""
        return self.moved.get(tag, tag)

    def append(
        self, identified: IdentifiedEvent, *, past_caps: bool = False
    ) -> asyncio.Future[Appended | Duplicate]:
        """Refuse at once what a full one would."""
        if self.server_of(identified.tag) in self.full:
            self.refusals += 1
            raise StoreFull
        return super().append(identified, past_caps=past_caps)

    async def probe_server(self, server: str | None, more_tags: Collection[str] = ()) -> None:
        """Say whether one is there; one that has no tag need not be."""
        assert server is not None
        self.known_tags.update(more_tags)
        self.asked.append(server)
        if server in self.hanging:
            await asyncio.Event().wait()
        if server in self.away and server not in self.moved:
            raise ConnectionRefusedError

    def _result(self, identified: IdentifiedEvent) -> Appended | Duplicate | TryLater:
        server = self.server_of(identified.tag)
        if server in self.away:
            assert self.spooling is not None
            self.spooling.failed(self.give_up, server)
            return StoreUnavailable("no confirmation in time")
        return super()._result(identified)


async def leave(path: Path, store: Servers, *, a: int, b: int = 0, tried: bool = False) -> None:
    """Have a process spool events of both servers and die."""
    async with crashing(path, store) as bench:
        for server in (A_TAG, B_TAG):
            store.away.add(server)
            if not tried:
                bench.spooling.failed(store.give_up, server)
        await bench.send(*[f"a{number}" for number in range(a)], stream=A)
        await bench.send(*[f"b{number}" for number in range(b)], stream=B)
    store.away.clear()
    store.asked.clear()
