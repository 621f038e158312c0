"""A closed gap in, an event of the relay's own in its stream, and whoever waits for it told.

An event is known by its id, so one that is appended again finds the first. Its identity is none
that a sender's id could have: nobody outside can suppress it.
"""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis

from consumers.event import Event
from consumers.here import Here
from relay.append import Limits, Observer, StreamLimits
from relay.append.spread import make_appender
from relay.contract import event as contract
from relay.contract.accounts import GAP_TYPE, Gap
from relay.contract.caps import MAX_STREAMS, Caps
from relay.contract.connect import ResponseError, word_of
from relay.contract.control import tell_of_stream
from relay.contract.event import Appended, IdentifiedEvent
from relay.contract.held import meant, read_held
from relay.contract.keys import UNIDENTIFIED, endpoint_of
from relay.contract.script import Script

# As long as an endpoint remembers its events, unless it says otherwise.
WINDOW_SECONDS = 72 * 3600
# No text begins so: the identity of a sender's event is its id in UTF-8.
_OURS = b"\xff"
# One stream of ours beside those of the sender's types, however many these are.
_ANY_NUMBER = 1_000_000

_join = Script("relay.contract", "join")
_log = structlog.get_logger("consumers.unipile")


class GapData(msgspec.Struct, frozen=True):
    """The body of a gap's event.

    Args:
        account: Whose gap.
        opened: When it began, RFC 3339 in ms with Z.
        closed: When it ended, likewise.
        product: Which product of the account; none for all of it.
    """

    account: str
    opened: str
    closed: str
    product: str | None


class _Entries(StreamLimits):
    """Caps in entries; those in bytes are the gateway's to watch."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self.is_needed = caps.bounds_entries
        self.of = lru_cache(MAX_STREAMS)(self._of)  # type: ignore[method-assign]

    def _of(self, tag: str, event_type: str) -> str:
        own, other = self._limit(tag, event_type), self._limit(tag, UNIDENTIFIED)
        return "" if own == other == "0" else f"{own} {other}"

    def _limit(self, tag: str, event_type: str) -> str:
        cap = self._caps.of(endpoint_of(tag), event_type)
        if cap.max_entries is None:
            return "0"
        return str(cap.max_entries if cap.on_full == "reject" else -cap.max_entries)


class _News(Observer):
    """Remembers the streams that were begun here and are not told of."""

    def __init__(self) -> None:
        self.streams: set[tuple[str, str]] = set()

    def registered(self, tag: str, event_type: str) -> None:
        """A stream was begun."""
        self.streams.add((tag, event_type))


class Announcing:
    """Appends the events of gaps.

    Args:
        redis: Client with redis-py's retries off; one of its connections is kept.
        here: The store that it leads to.
    """

    def __init__(self, redis: Redis, here: Here) -> None:
        self._redis = redis
        self._keys = here.keys
        self._news = _News()
        self._appender = make_appender(
            redis,
            here.keys,
            tags=(),
            # The room that the gateway leaves when it takes no more is for workers.
            is_full_at=lambda _: False,
            limits=Limits(streams=_Entries(here.caps)),
            observer=self._news,
            replicas=here.replicas,
        )

    async def announce(self, event: Event, account: str, gaps: Iterable[Gap]) -> list[Gap]:
        """Append an event for each gap, and tell of the stream where it is new.

        Args:
            event: What showed that they are there and have closed.
            account: Whose.
            gaps: Closed.

        Returns:
            Those that were not stored already.

        Raises:
            TryLater: The store, or the stream, takes no event now.
            RedisError, OSError: The events are stored, and not everybody was told of a new stream.
        """
        new = []
        for gap in gaps:
            result = await self._appender.append(identified(event, account, gap))
            if isinstance(result, Appended):
                new.append(gap)
        for tag, event_type in list(self._news.streams):
            await self._make_known(tag, event_type)
            self._news.streams.discard((tag, event_type))
        return new

    async def stop(self) -> None:
        """Send what waits, and close the connection."""
        await self._appender.stop()

    async def _make_known(self, tag: str, event_type: str) -> None:
        """Wake readers, and make the configured groups.

        A gateway makes them within a minute, too, and readers look by themselves: so what is
        refused is left to them.
        """
        try:
            # redis-py types the reply for clients of either kind; ours reads bytes.
            books: Any = await self._redis.hgetall(self._keys.groups(tag))
            stream = self._keys.stream(tag, event_type)
            for group in meant(read_held(books), tag, event_type):
                await _join(self._redis, [stream], group, "0")
            await tell_of_stream(self._redis, self._keys, tag, event_type)
        except ResponseError as error:
            _log.warning("stream_not_told", tag=tag, type=event_type, error=word_of(error))


def identified(event: Event, account: str, gap: Gap) -> IdentifiedEvent:
    """Make the event of a gap.

    Args:
        event: What showed that it has closed: its endpoint, and how much is proved of it.
        account: Whose.
        gap: Closed.
    """
    data = GapData(account, gap.opened, gap.closed, gap.product)
    event_id = f"gap:{account}:{gap.opened}"
    if not gap.plain:
        event_id += f":{gap.product or ''}"
    stored = contract.Event(
        id=event_id,
        source=event.source,
        type=GAP_TYPE,
        data=msgspec.json.encode(data),
        received_at_ms=int(1000 * time.time()),
        assurance=event.assurance,
        time=gap.closed,
        content_type="application/json",
        account=account,
    )
    return IdentifiedEvent(
        event=stored,
        tag=event.tag,
        identity=_OURS + event_id.encode(),
        window_seconds=WINDOW_SECONDS,
        max_types=_ANY_NUMBER,
    )
