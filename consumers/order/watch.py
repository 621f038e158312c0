"""Waits for news in ordered streams: that there is something to read, which is not read here.

What is told may be old, or come to nothing; who is told looks for itself. So a wait that is broken
off, or lost with its connection, costs nothing but time.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis

from consumers.blocking import BlockingConnection
from consumers.consumer import Consumer
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError
from relay.contract.duties import cancel
from relay.contract.stream import Stream

BLOCK_SECONDS = 5.0
# How long a tag is left alone that cannot be waited for.
PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 2.0

# By stream the last entry that is known of.
After = Mapping[Stream, str]

_log = structlog.get_logger("consumers.order.reader")


class Watch(Protocol):
    """Waits for news.

    Args:
        on_loss: Called with a tag whose server was lost, or has changed, when there is one again,
            and at the first time: what the store says of the tag may be older than it was before.
    """

    on_loss: Callable[[str], None]

    async def open(self) -> None:
        """Be ready to wait; may be called at any time.

        Raises:
            RedisError, OSError: The store is away.
        """

    async def news(self, after: After, seconds: float) -> list[str]:
        """Wait for entries behind those that are known of.

        Args:
            after: What to wait for; not empty.
            seconds: How long at most.

        Returns:
            The keys of streams that have news; none where the time is over, or at `end`.

        Raises:
            ResponseError: One of the streams is gone, or is none any more.
            RedisError, OSError: The store is away.
        """

    async def end(self) -> None:
        """End the wait that is under way, if one is."""

    async def close(self) -> None:
        """Give up what is waited with; `open` makes it anew."""


class OneWatch:
    """Waits for all streams at once, which one server has.

    Args:
        connection: Blocks.
        us: This process.
    """

    def __init__(self, connection: BlockingConnection, us: Consumer) -> None:
        self._connection = connection
        self._us = us
        # Not called: whoever waits is told of a loss by the error.
        self.on_loss: Callable[[str], None] = lambda _: None

    async def open(self) -> None:
        """Connect where there is no connection; see `Watch.open`."""
        if not self._connection.is_open:
            await self._connection.open()

    async def news(self, after: After, seconds: float) -> list[str]:
        """Wait by one command; see `Watch.news`."""
        return await _read(self._connection, after, seconds)

    async def end(self) -> None:
        """Unblock the command; see `Watch.end`."""
        await self._connection.unblock(self._us.redis)

    async def close(self) -> None:
        """Close the connection; see `Watch.close`."""
        await self._connection.close()


class TagWatches:
    """Waits for streams of a cluster, those of each tag at the server that has it.

    A wait of one tag goes on while another has news. What stands in its way is its own: the
    others are waited for all the same.

    Args:
        client: Of the cluster, its commands may block; closed by whoever made it.
        us: This process.
    """

    def __init__(self, client: Redis, us: Consumer) -> None:
        self._client = client
        self._us = us
        self.on_loss: Callable[[str], None] = lambda _: None
        self._watches: dict[str, _TagWatch] = {}
        self._told = asyncio.Event()
        self._news: set[str] = set()

    async def open(self) -> None:
        """Nothing: each tag connects when it is waited for."""

    async def news(self, after: After, seconds: float) -> list[str]:
        """Wait for the first of all; see `Watch.news`. Raises nothing."""
        by_tag: dict[str, dict[Stream, str]] = {tag: {} for tag in self._watches}
        for stream, last_id in after.items():
            by_tag.setdefault(stream.tag, {})[stream] = last_id
        self._told.clear()
        for tag, some in by_tag.items():
            self._watch(tag).ask(some)
        if not self._news:
            await self._wait(seconds)
        found = list(self._news)
        self._news.clear()
        return found

    async def end(self) -> None:
        """Wake who waits; what blocks goes on. See `Watch.end`."""
        self._told.set()

    async def close(self) -> None:
        """End every wait; see `Watch.close`."""
        await asyncio.gather(*(watch.close() for watch in self._watches.values()))
        self._watches.clear()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            pass

    def _watch(self, tag: str) -> "_TagWatch":
        if tag not in self._watches:
            key = self._us.keys.streams(tag)
            connection = BlockingConnection(self._client, "order", BLOCK_SECONDS, key)
            watch = _TagWatch(connection, self._us.redis, self._tell)
            watch.on_loss = lambda: self.on_loss(tag)
            self._watches[tag] = watch
        return self._watches[tag]

    def _tell(self, keys: list[str]) -> None:
        self._news.update(keys)
        self._told.set()


class _TagWatch:
    """Waits for streams of one tag, one command after the other."""

    def __init__(
        self, connection: BlockingConnection, redis: Redis, tell: Callable[[list[str]], None]
    ) -> None:
        self._connection = connection
        self._redis = redis
        self._tell = tell
        self._streams: set[Stream] = set()
        self._waiting: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._pause_seconds = PAUSE_SECONDS
        self.on_loss: Callable[[], None] = lambda: None

    def ask(self, after: After) -> None:
        """Wait for these streams; where others are waited for, that ends, and is told of."""
        if self._waiting is not None and not self._waiting.done():
            if after.keys() != self._streams and (self._ending is None or self._ending.done()):
                unblocking = self._connection.unblock(self._redis)
                self._ending = asyncio.create_task(unblocking, name="order-wake")
        elif after:
            self._streams = set(after)
            self._waiting = asyncio.create_task(self._wait(dict(after)), name="order-watch")

    async def close(self) -> None:
        """End the wait, and give the connection up."""
        await self._connection.unblock(self._redis)
        # Nothing is read here, so that nothing is lost with a wait which does not end by that.
        await cancel([task for task in (self._waiting, self._ending) if task is not None])
        await self._connection.close()

    async def _wait(self, after: After) -> None:
        keys: list[str] = []
        try:
            if not self._connection.is_open:
                await self._connection.open()
                # A replica that has taken the server's place may not have what it acknowledged.
                self.on_loss()
            keys = await _read(self._connection, after, BLOCK_SECONDS)
            self._pause_seconds = PAUSE_SECONDS
        except UNKNOWN_OUTCOME as error:
            _log.warning("reading_waits_for_store", error=type(error).__name__)
            await self._connection.close()
            await self._rest()
        except ResponseError:
            # A stream has gone, or is none any more: the step that reads it finds out.
            await self._rest()
        finally:
            self._tell(keys)

    async def _rest(self) -> None:
        await asyncio.sleep(self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, LAST_PAUSE_SECONDS)


async def _read(connection: BlockingConnection, after: After, seconds: float) -> list[str]:
    options = ("COUNT", 1, "BLOCK", max(1, int(1000 * seconds)), "STREAMS")
    keys = [stream.key for stream in after]
    reply: Any = await connection.execute("XREAD", *options, *keys, *after.values())
    return [key.decode() for key, _ in reply or ()]
