"""Stores what was refused at first, through the gateway's own pipeline and within its bounds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis

from relay.announce import Announcer
from relay.append import Appender, Limits, Observer
from relay.append.spread import make_appender
from relay.capacity import Capacity
from relay.caps import StreamCaps
from relay.caps.report import CapReport
from relay.certificates import certificates_for
from relay.commands.store import Store
from relay.contract.cluster import address_of, known_nodes
from relay.contract.connect import NoPermissionError, ResponseError
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.keys import tags_of
from relay.endpoint import Endpoint
from relay.hold import Holder
from relay.metrics import Metrics
from relay.pipeline import Pipeline
from relay.rejections.log import KEEP_MS
from relay.settings import Settings

# As long as its row can be accepted, and an hour more: until then an event is known again, however
# short the window is in which its endpoint would know it.
REMEMBERED_SECONDS = KEEP_MS // 1000 + 3600


@dataclass(frozen=True, slots=True)
class Remembering:
    """Appends events that are known again for as long as they could be accepted again.

    Args:
        appender: Stores them.
    """

    appender: Appender

    def append(self, identified: IdentifiedEvent) -> asyncio.Future[Appended | Duplicate]:
        """Store an event unless it was stored before."""
        window_seconds = max(identified.window_seconds, REMEMBERED_SECONDS)
        return self.appender.append(
            msgspec.structs.replace(identified, window_seconds=window_seconds)
        )


@dataclass(frozen=True, slots=True)
class Storing:
    """What stores rows.

    Args:
        pipeline: Verifies, identifies and appends as the gateway's does.
        look: Learns how much room there is; to be called before each row.
    """

    pipeline: Pipeline
    look: Callable[[], Awaitable[None]]


class _Reports(Observer):
    """Has new streams made known."""

    def __init__(self, announcer: Announcer, caps: StreamCaps) -> None:
        self._announcer = announcer
        self._caps = caps

    def registered(self, tag: str, event_type: str) -> None:
        self._announcer.registered(tag, event_type)
        self._caps.registered(tag, event_type)


@asynccontextmanager
async def storing(
    store: Store, settings: Settings, endpoints: Mapping[str, Endpoint]
) -> AsyncIterator[Storing]:
    """Have the pipeline within the block; at its end the streams that it began are made known.

    Raises:
        RedisError, OSError: The store is away.
    """
    redis, keys = store.redis, store.keys
    tags = [tag for each in endpoints.values() for tag in tags_of(each.name, each.partitions)]
    report = CapReport(keys, Metrics())
    caps = StreamCaps(redis, keys, tags=tags, caps=settings.stream_caps, report=report)
    announcer = Announcer(redis, keys, tags, Holder(redis, keys, settings.held_groups))
    rooms = {address_of(node): Capacity(node, Metrics()) for node in await known_nodes(redis)}

    def is_full_at(node: Redis) -> bool:
        room = rooms.get(address_of(node))
        return room is not None and room.is_full

    async def look() -> None:
        try:
            await asyncio.gather(*(room.look() for room in rooms.values()), caps.look())
        except (NoPermissionError, ResponseError):
            # As in the gateway: the store's own refusal is the only bound then.
            return

    appender = make_appender(
        redis,
        keys,
        tags=tags,
        is_full_at=is_full_at,
        limits=Limits(streams=caps, deadline_seconds=settings.append_deadline_seconds),
        observer=_Reports(announcer, caps),
        replicas=settings.replicas,
    )
    certificates = certificates_for(endpoints.values())
    attach = None if certificates is None else certificates.attach
    try:
        yield Storing(Pipeline(Remembering(appender), {}, attach), look)
        await announcer.refresh()
    finally:
        await appender.stop()
        if certificates is not None:
            await certificates.stop()
