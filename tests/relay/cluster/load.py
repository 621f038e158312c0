"""Senders of several endpoints, which lie on several servers of a cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from relay.contract import cluster
from relay.contract.connect import connect
from tests.clusters import SixNodes
from tests.relay.appending import KEYS
from tests.waiting import wait_until

SENDERS = 4


@dataclass
class Load:
    """Senders of several tags, each of which sends an event again until it is taken.

    Args:
        take: Sends an event of a tag, and says why it was not taken; nothing where it was.
        tags: One endpoint each.
    """

    take: Callable[[str, str], Awaitable[str]]
    tags: list[str]
    taken: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    ended: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send within the block, and end with every event taken."""
        for tag in self.tags:
            self.taken[tag], self.refused[tag] = [], []
        jobs = [self._send(tag, number) for tag in self.tags for number in range(SENDERS)]
        sending = asyncio.gather(*jobs)
        try:
            yield
        finally:
            self.ended = True
            await sending

    def refusals(self, tags: Iterable[str]) -> list[str]:
        """List why events of some tags were refused."""
        return [reason for tag in tags for reason in self.refused[tag]]

    async def until_more(self, count: int, *tags: str) -> None:
        """Return when so many more events of each tag were taken."""
        before = {tag: len(self.taken[tag]) for tag in tags or self.tags}
        await wait_until(
            lambda: all(len(self.taken[tag]) >= was + count for tag, was in before.items()),
            deadline_seconds=30,
            description=f"{count} more of each are taken",
        )

    async def _send(self, tag: str, sender: int) -> None:
        number = 0
        while not self.ended:
            event_id = f"evt_{sender}_{number}"
            while reason := await self.take(tag, event_id):
                self.refused[tag].append(reason)
            self.taken[tag].append(event_id)
            number += 1
            await asyncio.sleep(0.001)


def tags_of(six: SixNodes) -> list[str]:
    """Name two endpoints on each primary, those of one beside each other."""
    found: dict[int, list[str]] = {node.port: [] for node in six.primaries}
    for number in range(1000):
        tag = f"endpoint-{number}"
        there = found[six.owner(slot_of(tag)).port]
        if len(there) < 2:
            there.append(tag)
        if all(len(tags) == 2 for tags in found.values()):
            break
    return [tag for tags in found.values() for tag in tags]


def slot_of(tag: str) -> int:
    """Give the slot of a tag's keys."""
    return cluster.slot_of_key(KEYS.streams(tag))


async def stored(six: SixNodes, tag: str) -> list[str]:
    """Give the event ids in a tag's stream, in its order."""
    client = connect(six.url, role="test")
    raw: Any = await client.xrange(KEYS.stream(tag, "message.new"))
    await client.aclose()
    return [fields[b"id"].decode() for _, fields in raw]
