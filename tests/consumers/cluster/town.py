"""Workers and senders over a cluster of six: two endpoints on each of three primaries."""

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace
from redis.asyncio import Redis

from consumers import Event, Retry, Worker
from relay.append import Limits
from relay.append.spread import SpreadAppender
from relay.contract.cluster.slots import slot_of_key
from relay.contract.connect import RedisError, text_of
from relay.contract.errors import TryLater
from relay.contract.stream import Stream
from tests.clusters import Node, SixNodes
from tests.consumers.making import GROUP, KEYS, make_stream
from tests.making import make_identified
from tests.relay.appending import Heard
from tests.waiting import wait_until

SHARED, ORDERED = "message.new", "chat.new"
KEYS_OF_ORDER = 3
# Little enough for a busy machine: what is shown is that all goes on, not how fast.
SEND_EVERY_SECONDS = 0.1
RETRY = Retry(attempts=50, base_seconds=0.02, cap_seconds=0.1)


def key_of(event: Event) -> str:
    """Give the key that an event's id begins with."""
    return event.id.partition("_")[0]


def tags_of(six: SixNodes) -> list[str]:
    """Name two endpoints of each primary, as nobody has named any before."""
    name = secrets.token_hex(4)
    ranges = six.primaries[0].ask("CLUSTER", "SLOTS")
    found: dict[int, list[str]] = {int(primary[1]): [] for _, _, primary, *_ in ranges}
    for number in range(1000):
        tag = f"{name}-{number}"
        slot = slot_of_key(KEYS.streams(tag))
        (port,) = (int(primary[1]) for first, last, primary, *_ in ranges if first <= slot <= last)
        if len(found[port]) < 2:
            found[port].append(tag)
    return [tag for tags in found.values() for tag in tags]


def owner_of(six: SixNodes, tag: str) -> Node:
    """Give the primary that has a tag."""
    return six.owner(six.slot_of(KEYS.streams(tag)))


class Town:
    """Sends events of two types to every tag, and takes note of what is handled.

    Args:
        six: The cluster.
        store: A client of it.
    """

    def __init__(self, six: SixNodes, store: Redis) -> None:
        self.six = six
        self.store = store
        self.tags = tags_of(six)
        self.taken: Counter[str] = Counter()
        # By tag and type, in the order in which runs ended.
        self.handled: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._ended = False

    def worker(self) -> Worker:
        """Declare one handler without order and one with; one event in ten fails at first."""
        worker = Worker(group=GROUP)

        async def handle(event: Event) -> None:
            await asyncio.sleep(0)
            if event.id.endswith("7") and event.attempt == 1:
                raise ValueError
            self.handled[event.endpoint, event.type].append(event.id)

        worker.on(f"*:{SHARED}", retry=RETRY)(handle)
        worker.on(f"*:{ORDERED}", retry=RETRY, order_by=key_of)(handle)
        return worker

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send within the block, each event again until it is taken."""
        appender = SpreadAppender(
            self.store, KEYS, observer=Heard(), limits=Limits(deadline_seconds=1.0), tags=self.tags
        )
        await self.store.sadd(KEYS.tags, *self.tags)
        jobs = [self._send(appender, tag, key) for tag in self.tags for key in range(KEYS_OF_ORDER)]
        sending = asyncio.gather(*jobs)
        try:
            yield
        finally:
            self._ended = True
            await sending
            await appender.stop()

    async def until_more(self, count: int, *tags: str) -> None:
        """Return when so many more events of each tag and type were handled."""
        wanted = [(tag, kind) for tag in tags or self.tags for kind in (SHARED, ORDERED)]
        before = {each: len(self.handled[each]) for each in wanted}
        await wait_until(
            lambda: all(len(self.handled[each]) >= was + count for each, was in before.items()),
            deadline_seconds=30,
            description=f"{count} more of each are handled",
        )

    async def until_settled(self) -> None:
        """Return when the group has read and settled everything that there is."""
        await wait_until(self._is_settled, deadline_seconds=60, description="all is settled")

    async def ids(self, tag: str, kind: str) -> list[str]:
        """Give the ids of the events in a stream, in its order."""
        raw: Any = await self.store.xrange(make_stream(kind, tag).key)
        return [fields[b"id"].decode() for _, fields in raw]

    def streams(self) -> list[Stream]:
        """Give all streams."""
        return [make_stream(kind, tag) for tag in self.tags for kind in (SHARED, ORDERED)]

    async def _is_settled(self) -> bool:
        try:
            return all([await self._is_done(stream) for stream in self.streams()])
        except RedisError:
            return False

    async def _is_done(self, stream: Stream) -> bool:
        (group,) = await self.store.xinfo_groups(stream.key)
        newest = await self.store.xrevrange(stream.key, count=1) or []
        read_all = text_of(group["last-delivered-id"]) == text_of(newest[0][0] or b"")
        return read_all and not group["pending"]

    async def _send(self, appender: SpreadAppender, tag: str, key: int) -> None:
        number = 0
        while not self._ended:
            for kind in (SHARED, ORDERED):
                sent = make_identified(f"k{key}_{kind[0]}{number}", kind, tag=tag)
                event = replace(sent, event=replace(sent.event, source=f"/webhooks/{tag}"))
                while not await _is_taken(appender, event):
                    pass
                self.taken[tag] += 1
            number += 1
            await asyncio.sleep(SEND_EVERY_SECONDS)


async def _is_taken(appender: SpreadAppender, event: Any) -> bool:
    try:
        await appender.append(event)
    except TryLater:
        return False
    return True
