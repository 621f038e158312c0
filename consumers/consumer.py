"""This process as a consumer of its group: where it reads, in which group, under which name."""

from collections.abc import Callable
from dataclasses import dataclass, field

from redis.asyncio import Redis

from consumers.lease import UNBOUNDED, Lease
from consumers.metrics.record import ProcessRecord
from relay.contract.keys import Keys


@dataclass(frozen=True, slots=True)
class Consumer:
    """What every duty of a worker process needs to know of it.

    Args:
        redis: Client with redis-py's retries off, for everything that does not block.
        keys: Makes the keys.
        group: The consumer group.
        name: Under which it reads in the group; its heartbeat goes by it.
        lease: Says what an entry that is read now is held by.
        record: Counts what befalls entries, whichever handler they are for.
    """

    redis: Redis
    keys: Keys
    group: str
    name: str
    lease: Callable[[], Lease] = lambda: UNBOUNDED
    record: ProcessRecord = field(default_factory=ProcessRecord)

    async def seems_alive(self) -> bool:
        """Tell whether the store has our own heartbeat; else a missing one proves nothing."""
        return bool(await self.redis.exists(self.keys.alive(self.group, self.name)))
