"""One process at a time does a duty: whoever holds its lease."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from consumers.consumer import Consumer
from relay.contract.connect import RedisError
from relay.contract.script import Script

LEASE_MS = 10_000

_hold = Script("consumers", "hold")
_keep = Script("consumers", "keep")


class Turn:
    """A lease that this process was given.

    Args:
        us: This process.
        key: The lease.
        lease_ms: After how long it ends unless it is kept.
    """

    def __init__(self, us: Consumer, key: str, lease_ms: int) -> None:
        self._us = us
        self._key = key
        self._lease_ms = lease_ms

    async def keep(self) -> bool:
        """Go on holding it; false where it is not ours any more, and others may be at work."""
        return bool(await _keep(self._us.redis, [self._key], self._us.name, self._lease_ms))

    async def end(self) -> None:
        """Give it back, if it is still ours."""
        await _keep(self._us.redis, [self._key], self._us.name, 0)


@asynccontextmanager
async def turn(us: Consumer, key: str, lease_ms: int = LEASE_MS) -> AsyncIterator[Turn | None]:
    """Take a lease for the block, unless another process holds it.

    Args:
        us: This process.
        key: The lease.
        lease_ms: After how long it ends by itself, so that a process that dies keeps nobody.

    Yields:
        The turn; none where another process has it.

    Raises:
        ResponseError: The store refuses it.
    """
    if not await _hold(us.redis, [key], us.name, lease_ms):
        yield None
        return
    ours = Turn(us, key, lease_ms)
    try:
        yield ours
    finally:
        with suppress(RedisError, OSError):  # it ends by itself
            await ours.end()
