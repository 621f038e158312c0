"""Bounds the body bytes that are in hand: received and not yet stored.

All bodies of a process share one budget. When it is spent, the body longest unfinished is cut,
so that senders who stop half-way cannot keep out those who do not.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp.http_exceptions import PayloadEncodingError

from relay.contract.errors import BodyIncomplete, Overloaded

# One client address may hold this part of the budget, but always one whole body.
CLIENT_PART = 16


class Share:
    """What one delivery holds of the budget, until it is released.

    Args:
        budget: Where it belongs.
        client: Address of the sender.
    """

    __slots__ = ("_budget", "_timeout", "client", "size_bytes")

    def __init__(self, budget: "Budget", client: str) -> None:
        self._budget = budget
        self._timeout: asyncio.Timeout | None = None
        self.client = client
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Take note of more bytes; may cut bodies that are longer unfinished.

        Raises:
            Overloaded: There is no room for them even so.
        """
        self._budget.take(self, size_bytes)

    def release(self) -> None:
        """Let go what it holds: the delivery is answered."""
        self._budget.release(self)

    @asynccontextmanager
    async def unless_cut(self) -> AsyncIterator[None]:
        """Read within this, and no longer than the budget allows.

        Raises:
            BodyIncomplete: The budget needed the room, the body took too long, the sender left,
                or what came is no body.
        """
        self._budget.begin(self)
        try:
            async with asyncio.timeout(self._budget.body_seconds) as self._timeout:
                yield
        except (TimeoutError, ConnectionError, PayloadEncodingError):
            raise BodyIncomplete from None
        finally:
            self._timeout = None
            self._budget.finish(self)

    def cut(self) -> None:
        """End the reading of this body as soon as the loop runs."""
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())


class Budget:
    """All shares of one process.

    Args:
        limit_bytes: How many body bytes may be in hand.
        max_body_bytes: The longest body; a client's part is never smaller.
        body_seconds: How long one body may take to arrive.
    """

    def __init__(
        self, limit_bytes: int, *, max_body_bytes: int, body_seconds: float = 60.0
    ) -> None:
        self._limit_bytes = limit_bytes
        self._client_bytes = max(limit_bytes // CLIENT_PART, max_body_bytes)
        self.body_seconds = body_seconds
        self._unfinished: dict[Share, None] = {}  # in order of arrival
        self._by_client: defaultdict[str, int] = defaultdict(int)
        self.in_hand_bytes = 0

    @property
    def is_spent(self) -> bool:
        """Whether not even one more byte has room."""
        return self.in_hand_bytes >= self._limit_bytes and not self._unfinished

    def share(self, client: str) -> Share:
        """Make a share; its maker releases it."""
        return Share(self, client)

    def begin(self, share: Share) -> None:
        """Take note of a body that does not come at once, and so may be cut."""
        self._unfinished[share] = None

    def finish(self, share: Share) -> None:
        """Take note that no more comes of it."""
        self._unfinished.pop(share, None)

    def take(self, share: Share, size_bytes: int) -> None:
        """Add bytes to a share, and make room for them."""
        share.size_bytes += size_bytes
        self.in_hand_bytes += size_bytes
        self._by_client[share.client] += size_bytes
        if (
            self._by_client[share.client] > self._client_bytes
            or self.in_hand_bytes > self._limit_bytes
        ):
            self._make_room(share)

    def release(self, share: Share) -> None:
        """Let go what a share held."""
        if not share.size_bytes:
            return
        self.in_hand_bytes -= share.size_bytes
        self._by_client[share.client] -= share.size_bytes
        if not self._by_client[share.client]:
            del self._by_client[share.client]

    def cut_oldest(self) -> bool:
        """Cut the body that is longest unfinished, and say whether there was one."""
        for share in self._unfinished:
            share.cut()
            return True
        return False

    def _make_room(self, growing: Share) -> None:
        client = growing.client
        over = max(
            self._by_client[client] - self._client_bytes, self.in_hand_bytes - self._limit_bytes
        )
        only_client = self._by_client[client] > self._client_bytes
        for share in self._unfinished:
            if only_client and share.client != client:
                continue
            if share is growing:
                break  # cutting itself is no room gained: its sender should try later
            share.cut()
            over -= share.size_bytes
            if over <= 0:
                return
        raise Overloaded
