"""Closes clients to the end, whatever becomes of who has them closed.

Closing that is cut off by a cancellation leaves a connection open.
"""

import asyncio

from redis.asyncio import Redis


class Closing:
    """Closes clients, each in a task of its own that nobody cancels."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[None]] = set()

    def begin(self, client: Redis) -> asyncio.Future[None]:
        """Begin to close a client."""
        closing = asyncio.ensure_future(client.aclose())
        self._tasks.add(closing)
        closing.add_done_callback(self._ended)
        return closing

    async def close(self, client: Redis) -> None:
        """Close a client; it goes on where the caller is cancelled meanwhile."""
        await asyncio.wait({self.begin(client)})

    async def ended(self) -> None:
        """Return when all that was begun has come to its end."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, closing: asyncio.Future[None]) -> None:
        self._tasks.discard(closing)
        _ = closing.cancelled() or closing.exception()  # looked at, so not reported as lost
