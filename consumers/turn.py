"""Who does a duty now: a lease in the store, which ends by itself if its holder dies.

Two that look at once cost time and no entry, so a lease that was lost early does no harm.
"""

import time

from consumers.consumer import Consumer
from relay.contract.script import Script

# A lease is renewed when this part of it has gone by.
RENEWED_AFTER = 1 / 3

_hold = Script("consumers", "hold")
_keep = Script("consumers", "keep")


class Turn:
    """One process's turn at one duty.

    Args:
        us: This process.
        lease: Its key.
        lease_ms: How long it lasts when it is not renewed.
    """

    def __init__(self, us: Consumer, lease: str, lease_ms: int) -> None:
        self._us = us
        self._lease = lease
        self._lease_ms = lease_ms
        self._renewed_at = time.monotonic()
        self._ours = False

    async def take(self) -> bool:
        """Take the turn; false where another process has it."""
        self._renewed_at = time.monotonic()
        held = await _hold(self._us.redis, [self._lease], self._us.name, self._lease_ms)
        self._ours = bool(held)
        return self._ours

    async def keep(self) -> bool:
        """Renew the lease if it is time to; false where it is another's by now."""
        now = time.monotonic()
        if self._ours and now - self._renewed_at >= RENEWED_AFTER * self._lease_ms / 1000:
            self._renewed_at = now
            kept = await _keep(self._us.redis, [self._lease], self._us.name, self._lease_ms)
            self._ours = bool(kept)
        return self._ours

    async def give_back(self) -> None:
        """Let others have the next turn at once."""
        await _keep(self._us.redis, [self._lease], self._us.name, 0)
