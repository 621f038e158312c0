"""The ownership of ordered streams: one reading process for each stream and group.

An owner's lease is renewed from the heartbeat's thread, so that a handler which blocks the event
loop does not cost it. Each new owner has a higher fencing number, and every script on an ordered
stream checks it, so a former owner that wakes up changes nothing.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from redis.asyncio import Redis as RedisServer

from consumers import heartbeat
from consumers.consumer import Consumer
from consumers.lease import Lease
from consumers.persist import passes
from relay.contract.cluster import ClusterUnknown, at, is_cluster
from relay.contract.cluster.threaded import ThreadedClusterRedis
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError
from relay.contract.script import Script
from relay.contract.stream import Stream

_own = Script("consumers.order", "own")
_disown = Script("consumers.order", "fenced", "disown")


@dataclass(slots=True)
class Grant:
    """One ownership, as far as this process knows.

    Args:
        book: Key of the hash that says who the owner is.
        fence: The fencing number.
        clock: Monotonic seconds.
        renewed_at: When the last renewal that was granted was asked for.
        gone: Another is the owner now.
        wanted: Another process should be, since it owns fewer streams.
    """

    book: str
    fence: int
    clock: Callable[[], float]
    renewed_at: float
    gone: bool = False
    wanted: bool = False
    lease: Lease = field(init=False)

    def __post_init__(self) -> None:
        self.lease = Lease(self.is_lost, self.fence)

    def is_lost(self) -> bool:
        """Tell whether another may be the owner by now."""
        return self.gone or self.clock() - self.renewed_at >= heartbeat.DEAD_SECONDS


class Ownership:
    """The ordered streams that this process owns.

    Args:
        us: This process.
        may_take_over: Says whether the store has answered for long enough to trust that an
            ownership which has run out means death.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        us: Consumer,
        may_take_over: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._us = us
        self._may_take_over = may_take_over
        self._clock = clock
        # By the key of the stream. Written by the loop, looked through by the heartbeat's thread.
        self._grants: dict[str, Grant] = {}
        # Keys of streams that others own and will give up to this process.
        self._promised: set[str] = set()

    @property
    def in_cluster(self) -> bool:
        """Whether streams lie on several servers, of which one may be away."""
        return is_cluster(self._us.redis)

    def server_of(self, stream: Stream) -> RedisServer | None:
        """Give the client of the server that has a stream; none where nobody knows."""
        try:
            return at(self._us.redis, self._us.keys.streams(stream.tag))
        except ClusterUnknown:
            return None

    async def may_tell_death(self) -> bool:
        """Tell whether an ownership that has run out means that its owner is dead.

        Not where our own heartbeat has gone though we live: then all have stood still together, or
        the store was set back.
        """
        try:
            return self._may_take_over() and await self._us.seems_alive()
        except UNKNOWN_OUTCOME:
            if not self.in_cluster:
                raise
            return False  # nobody knows; the server of another stream may answer all the same

    async def take(self, stream: Stream, *, run_out: bool = True) -> Grant | None:
        """Become the owner of a stream, if nobody is.

        Args:
            stream: Which stream.
            run_out: Whether to take also what was not given up and has run out, as far as that
                means death.

        Returns:
            None where another process is.
        """
        book = self._us.keys.owner(stream.tag, self._us.group, stream.event_type)
        asked_at = self._clock()
        how = "take" if run_out and self._may_take_over() else "take_free"
        fence, promised = await _own(self._us.redis, [book], *self._asking(how, stream))
        self._promised.discard(stream.key)
        if not fence:
            if promised:
                self._promised.add(stream.key)
            return None
        grant = Grant(book, int(fence), self._clock, asked_at)
        self._grants[stream.key] = grant
        return grant

    def renew(self, redis: Redis) -> None:
        """Renew every ownership; called from the heartbeat's thread with its client.

        Raises:
            RedisError, OSError: The store is away, or a server of a cluster, which then keeps none
                of the others from being asked.
        """
        away: set[Redis] = set()
        lost: Exception | None = None
        for grant in list(self._grants.values()):
            server = redis
            try:
                if isinstance(redis, ThreadedClusterRedis):
                    server = redis.at(("GET", grant.book))
                if server not in away:
                    self._renew(redis, grant)
            except (*UNKNOWN_OUTCOME, ResponseError) as error:
                if not isinstance(redis, ThreadedClusterRedis):
                    raise
                lost = error
                if isinstance(error, UNKNOWN_OUTCOME):
                    away.add(server)
        if lost is not None:
            raise lost

    def _renew(self, redis: Redis, grant: Grant) -> None:
        asked_at = self._clock()
        try:
            answer: Any = redis.eval(_own.text, 1, grant.book, *self._asking("renew"))
        except ResponseError as error:
            if passes(error):
                raise
            # This book is none any more; the other streams, and the beat, must go on.
            grant.gone = True
            return
        fence, promised = answer
        if fence != grant.fence:
            grant.gone = True
            return
        grant.renewed_at = asked_at
        grant.wanted |= bool(promised)

    def forget(self, stream: Stream) -> None:
        """Take note that a stream is not ours any more."""
        self._grants.pop(stream.key, None)

    async def give_up(self, stream: Stream) -> None:
        """Let another become the owner of a stream at once."""
        grant = self._grants.pop(stream.key, None)
        if grant is None:
            return
        await _disown(self._us.redis, [grant.book], self._us.name, grant.fence)
        # Those that are left must not look as many as before: more would be asked for.
        calls = [([other.book], self._asking("renew")) for other in self._grants.values()]
        if calls:
            await _own.many(self._us.redis, calls)

    async def give_all_up(self, keep: Collection[str] = ()) -> None:
        """Let others become the owners of every stream at once.

        Args:
            keep: Keys of those that stay ours until the ownership runs out.
        """
        given = [grant for key, grant in self._grants.items() if key not in keep]
        calls = [([grant.book], (self._us.name, grant.fence)) for grant in given]
        self._grants.clear()
        if calls:
            await _disown.many(self._us.redis, calls)

    def _asking(self, how: str, stream: Stream | None = None) -> tuple[str, ...]:
        lease_ms = int(1000 * heartbeat.DEAD_SECONDS)
        promised = self._promised - ({stream.key} if stream else set())
        return self._us.name, str(lease_ms), how, str(len(self._grants)), str(len(promised))
