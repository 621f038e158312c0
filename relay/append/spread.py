"""Appends to a cluster: a flush of its own for each server, so that none waits for another.

An event goes to the server that has its tag. One that comes back, since the tag has moved or its
server is away, is sent on to whoever has the tag then, for as long as it may wait.

Source: docs/adr/0027.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

from redis.asyncio import Redis

from relay.append import Appender, Limits, resolve
from relay.append.confirm import FENCE_KEPT_MS
from relay.append.waiting import Waiting
from relay.contract import cluster
from relay.contract.cluster import ClusterUnknown
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError
from relay.contract.duties import cancel
from relay.contract.errors import StoreFull
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.keys import Keys

__all__ = ["SpreadAppender", "make_appender"]

# How long an event that came back waits before it is sent on: its place is not settled yet.
SEND_ON_SECONDS = 0.02


def make_appender(
    redis: Redis,
    keys: Keys,
    *,
    tags: Sequence[str],
    is_full_at: Callable[[Redis], bool],
    **arguments: Any,  # noqa: ANN401 - the appender's own
) -> Appender:
    """Make what appends to a store, be it one server or many.

    Args:
        redis: From `relay.contract.connect.connect`.
        keys: Makes the keys.
        tags: What a probe asks for.
        is_full_at: Says whether the server of a client has no room for events.
        arguments: As for `Appender`, but ``is_full``.
    """
    if cluster.is_cluster(redis):
        return SpreadAppender(redis, keys, tags=tags, is_full_at=is_full_at, **arguments)
    return Appender(redis, keys, is_full=lambda: is_full_at(redis), **arguments)


class SpreadAppender(Appender):
    """Spreads events over an appender for each server.

    Those whose server is not known, or not settled, wait in its own queue.

    Args:
        redis: A client of a cluster.
        keys: Makes the keys.
        tags: As for `make_appender`.
        is_full_at: The same.
        arguments: As for `Appender`; each server's appender has them for itself.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        tags: Sequence[str] = (),
        is_full_at: Callable[[Redis], bool] = lambda _: False,
        **arguments: Any,  # noqa: ANN401 - the appender's own
    ) -> None:
        limits: Limits = arguments.get("limits") or Limits()
        # What waits for its server to be known goes on all at once when it is.
        whole = replace(
            limits, batch_events=limits.waiting_events, batch_bytes=limits.waiting_bytes
        )
        super().__init__(redis, keys, **(arguments | {"limits": whole}))
        self._tags = tags
        self._is_full_at = is_full_at
        self._arguments = arguments | {"limits": limits}
        self._parts: dict[Redis, _Part] = {}

    @property
    def waiting(self) -> int:
        """How many events wait for a flush, to whatever server."""
        return len(self._queue) + sum(part.waiting for part in self._parts.values())

    @property
    def waiting_bytes(self) -> int:
        """How long they are, together."""
        own = self._queue.size_bytes
        return own + sum(part.waiting_bytes for part in self._parts.values())

    def append(
        self, identified: IdentifiedEvent, *, past_caps: bool = False
    ) -> asyncio.Future[Appended | Duplicate]:
        """Store an event; see `Appender.append`."""
        try:
            part = self._part_of(identified.tag)
        except ClusterUnknown:
            return super().append(identified, past_caps=past_caps)
        return part.append(identified, past_caps=past_caps)

    async def probe(self) -> None:
        """See whether any of the servers that have tags would let the script run.

        Any: were one enough to say no, one dead server would take all gateways out of service.

        Raises:
            RedisError: None would, or all are away.
        """
        await cluster.known_nodes(self._redis)
        asked: dict[Redis, str] = {}
        for tag in self._tags:
            with suppress(ClusterUnknown):  # nobody has it now; others may have theirs
                asked.setdefault(self._node_of(tag), tag)
        tasks = [asyncio.create_task(self._probe_at(node, tag)) for node, tag in asked.items()]
        try:
            await _first_success(tasks)
        finally:
            await cancel(tasks)
            for task in tasks:
                _ = task.cancelled() or task.exception()  # looked at, so not reported as lost

    def server_of(self, tag: str) -> Redis:
        """Name the server that has a tag now; the whole cluster, where nobody is known to."""
        return cluster.server_of(self._redis, self._keys.streams(tag)) or self._redis

    async def probe_server(self, server: Redis, more_tags: Iterable[str] = ()) -> None:
        """See whether one of the servers would let the script run.

        One that has none of the tags any more is not asked: nothing is sent there.

        Args:
            server: Which.
            more_tags: Of which there are events, beside those that are configured.

        Raises:
            RedisError: It would not, or is away; or some tag has no server, if that is meant.
        """
        if server is self._redis:
            await cluster.look(server)
        tags = chain(self._tags, more_tags)
        tag = next((tag for tag in tags if self.server_of(tag) is server), None)
        if tag is None:
            return
        if server is self._redis:
            raise ClusterUnknown(f"no server is known to have {tag}")
        try:
            await self._probe_at(server, tag)
        except (RedisError, OSError) as error:
            # Nothing else is sent there meanwhile that would show who has its place.
            self.learn(server, error)
            raise

    async def _probe_at(self, redis: Redis, tag: str) -> None:
        await super()._probe_at(redis, tag)
        # A script on no event is let where nothing can be written; on a single server the
        # announcements tell.
        await redis.set(self._keys.fence(tag), "", px=FENCE_KEPT_MS)

    async def stop(self) -> None:
        """Send what waits, and return when all of it is answered."""
        # What one gives back another takes.
        while self._flusher or any(part.is_flushing for part in self._parts.values()):
            flushers = (each._flusher for each in (self, *self._parts.values()))  # noqa: SLF001 - of its own kind
            await asyncio.wait({flusher for flusher in flushers if flusher is not None})
        for part in self._parts.values():
            await part.stop()
        await super().stop()

    def take_back(self, batch: list[Waiting], *, lost: bool) -> None:
        """Have events sent on that one of the servers did not take.

        Args:
            batch: They have an answer to wait for; none where they were given up meanwhile.
            lost: The server was away: whoever takes them then answers again.
        """
        self._failing |= lost
        if batch:
            self._take(batch)

    async def _flush(self, batch: list[Waiting]) -> None:
        """Send events on to their servers, or keep them where these are not known."""
        self._in_flight = batch
        await asyncio.sleep(SEND_ON_SECONDS)
        # Those that were given up meanwhile are under way no more.
        batch = [waiting for waiting in self._in_flight if self._within_deadline([waiting])]
        by_tag: dict[str, list[Waiting]] = {}
        for waiting in batch:
            by_tag.setdefault(waiting.event.tag, []).append(waiting)
        unknown: list[Waiting] = []
        for tag, group in by_tag.items():
            try:
                part = self._part_of(tag)
            except ClusterUnknown:
                unknown += group
            else:
                part.take(group, failing=self._failing)
        self._in_flight = []
        if unknown:
            self._queue.put_first(unknown)
        else:
            self._failing = False

    def _node_of(self, tag: str) -> Redis:
        return cluster.at(self._redis, self._keys.streams(tag))

    def _part_of(self, tag: str) -> "_Part":
        node = self._node_of(tag)
        if node not in self._parts:
            is_full = lambda: self._is_full_at(node)  # noqa: E731 - one line says it
            self._parts[node] = _Part(self, node, self._keys, is_full=is_full, **self._arguments)
        return self._parts[node]

    def learn(self, node: Redis, error: BaseException) -> bool:
        """Take note of what a server said; see `relay.contract.cluster.learn`."""
        return cluster.learn(self._redis, node, error)


class _Part(Appender):
    """Appends to one server of the cluster."""

    def __init__(self, whole: SpreadAppender, node: Redis, keys: Keys, **arguments: Any) -> None:  # noqa: ANN401 - the appender's own
        super().__init__(node, keys, **arguments)
        self._whole = whole

    @property
    def is_flushing(self) -> bool:
        """Whether it has something in hand."""
        return self._flusher is not None

    def take(self, batch: list[Waiting], *, failing: bool) -> None:
        """Take events that have waited elsewhere; they go before the others."""
        if self._is_full():
            for waiting in batch:
                resolve(waiting, StoreFull())
            return
        self._failing |= failing
        self._take(batch)

    def _hand_on(self, batch: list[Waiting], error: BaseException) -> bool:
        lost = isinstance(error, UNKNOWN_OUTCOME)
        if not self._whole.learn(self._redis, error) and not lost:
            return False
        self._whole.take_back(batch, lost=lost)
        return True


async def _first_success(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Return when one has succeeded.

    Raises:
        RedisError, OSError: None has; the last one's error.
    """
    problem: Exception = ClusterUnknown("no server has any of the tags")
    for done in asyncio.as_completed(tasks):
        try:
            await done
        except (RedisError, OSError) as error:
            problem = error
        else:
            return
    raise problem
