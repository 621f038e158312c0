"""How full the store is, so that copies do not take the room of new events."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from relay.contract.cluster import nodes
from relay.contract.connect import NoPermissionError, ResponseError

# Above the one settled history is trimmed, at the other the gateway takes no more events.
WAIT_RATIO = 0.70
STOP_RATIO = 0.85


@dataclass(frozen=True, slots=True)
class Memory:
    """The store's memory.

    Args:
        used_bytes: What is in use.
        bound_bytes: What may be: ``maxmemory``, or half the machine's where none is set; 0 where
            nobody knows.
    """

    used_bytes: int
    bound_bytes: int

    @property
    def ratio(self) -> float:
        """How much of it is in use; 0 where nobody knows."""
        return self.used_bytes / self.bound_bytes if self.bound_bytes else 0.0

    @property
    def room_bytes(self) -> int | None:
        """How much there is until a replay waits; none where nobody knows."""
        if not self.bound_bytes:
            return None
        return max(0, int(WAIT_RATIO * self.bound_bytes) - self.used_bytes)


async def memory_of(redis: Redis) -> Memory:
    """Ask the store, of a cluster the fullest; where INFO is not permitted nothing is known."""
    found = [await _memory_at(server) for server in nodes(redis)]
    return max(found, key=lambda memory: memory.ratio)


async def _memory_at(server: Redis) -> Memory:
    try:
        told: dict[str, Any] = await server.info("memory")
    except (NoPermissionError, ResponseError):
        return Memory(0, 0)
    bound = int(told.get("maxmemory", 0)) or int(told.get("total_system_memory", 0)) // 2
    return Memory(int(told["used_memory"]), bound)
