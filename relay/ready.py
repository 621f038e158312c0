"""Tells whether a delivery could be answered 200 now."""

import asyncio
from collections.abc import Callable

from relay.announce import Announcer
from relay.append import Appender
from relay.capacity import Capacity
from relay.contract.connect import RedisError
from relay.contract.ready import Ready

ANSWER_SECONDS = 1.0
# Anyone may ask, and each answer costs the store a script and a write.
KNOWN_SECONDS = 0.5


class Readiness:
    """Asks the store whether it would take an event, twice a second at most.

    Args:
        capacity: Knows whether there is room.
        appender: Whose script must be let.
        announcer: Whose write must be let; a replica would refuse it.
        has_spool: Says whether an event would be kept on the disk now.
    """

    def __init__(
        self,
        capacity: Capacity,
        appender: Appender,
        announcer: Announcer,
        *,
        has_spool: Callable[[], bool] = lambda: False,
    ) -> None:
        self._capacity = capacity
        self._appender = appender
        self._announcer = announcer
        self._has_spool = has_spool
        self._asking: asyncio.Task[None] | None = None
        self._known_until = 0.0
        self._answer = False

    async def is_ready(self) -> Ready:
        """Give the answer, which may be half a second old.

        Returns:
            ``degraded`` where an event would only be kept on this machine's disk.
        """
        if await self._is_store_ready():
            return True
        return "degraded" if self._has_spool() else False

    async def _is_store_ready(self) -> bool:
        if self._capacity.is_full:
            return False
        if asyncio.get_running_loop().time() >= self._known_until:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask(), name="ready")
            # All who ask meanwhile wait for the same answer, and none of them can end it.
            await asyncio.wait({self._asking})
        return self._answer

    async def _ask(self) -> None:
        self._answer = False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._appender.probe()
                await self._announcer.probe()
                self._answer = True
        except (RedisError, OSError):
            pass
        finally:
            self._known_until = asyncio.get_running_loop().time() + KNOWN_SECONDS
