"""Bounds the body bytes that are in hand: received and not yet stored.

All bodies of a process share one budget. When it is spent, the body longest unfinished is cut,
so that senders who stop half-way cannot keep out those who do not.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError

from relay.contract.errors import BodyIncomplete, Overloaded

# One client address may hold this part of the budget, but always one whole body.
CLIENT_PART = 16
# What a body that comes bit by bit costs beside its bytes: its connection, what parses it, and the
# task that waits.
UNFINISHED_BYTES = 20 * 1024
# Of the memory that bodies may come to, what is given to them and their connections. The rest is
# what the allocator cannot use again at once, and what the processes take that serve them.
BODIES_PART = 5, 8
# Pieces of a body are joined up to this size: a sender chooses how small they are, and each costs
# half a hundred bytes beside its own.
PIECE_BYTES = 4096


class Share:
    """What one delivery holds of the budget, until it is released.

    Args:
        budget: Where it belongs.
        client: Address of the sender.
    """

    __slots__ = ("_budget", "_timeout", "client", "is_cut", "size_bytes")

    def __init__(self, budget: "Budget", client: str) -> None:
        self._budget = budget
        self._timeout: asyncio.Timeout | None = None
        self.client = client
        self.is_cut = False
        self.size_bytes = 0

    @property
    def has_plenty(self) -> bool:
        """Whether there is room for what nobody waits for: nothing is cut to make some."""
        budget = self._budget
        return (
            2 * budget.in_hand_bytes < budget.limit_bytes
            and 2 * budget.by_client.get(self.client, 0) < budget.client_bytes
        )

    def grow(self, size_bytes: int) -> None:
        """Take note of more bytes; may cut bodies that are longer unfinished.

        Raises:
            Overloaded: There is no room for them even so.
        """
        if not size_bytes:
            return
        budget, client = self._budget, self.client
        self.size_bytes += size_bytes
        budget.in_hand_bytes += size_bytes
        by_client = budget.by_client[client] = budget.by_client[client] + size_bytes
        if by_client > budget.client_bytes or budget.in_hand_bytes > budget.limit_bytes:
            budget.make_room(self)

    def release(self) -> None:
        """Let go what it holds: the delivery is answered."""
        if self.size_bytes:
            self.shrink(self.size_bytes)

    def shrink(self, size_bytes: int) -> None:
        """Let go a part of it."""
        budget, client = self._budget, self.client
        self.size_bytes -= size_bytes
        budget.in_hand_bytes -= size_bytes
        budget.by_client[client] -= size_bytes
        if not budget.by_client[client]:
            del budget.by_client[client]

    @asynccontextmanager
    async def unless_cut(self) -> AsyncIterator[None]:
        """Read within this, and no longer than the budget allows.

        Raises:
            BodyIncomplete: The budget needed the room, the body took too long, the sender left,
                or what came is no body.
        """
        try:
            self._budget.begin(self)
            async with asyncio.timeout(self._budget.body_seconds) as self._timeout:
                yield
        except (OSError, PayloadEncodingError, web.RequestPayloadError) as error:
            # What reads the body keeps the error; with its traceback it would keep the frames, and
            # they it: a circle for each sender that leaves, until the collector comes by. Since
            # Python 3.12 the cancellation that a time-out was made of is in one too.
            for kept in (error, error.__cause__):
                if kept is not None:
                    kept.__traceback__ = None
            raise BodyIncomplete from error
        finally:
            self._timeout = None
            self._budget.finish(self)

    def cut(self) -> None:
        """End the reading of this body as soon as the loop runs."""
        self.is_cut = True
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())


class Budget:
    """All shares of one process.

    Args:
        limit_bytes: How many body bytes may be in hand.
        client_bytes: How many of one client; a sixteenth of the limit by default.
        max_body_bytes: The longest body; a client's part is never smaller.
        body_seconds: How long one body may take to arrive.
        unfinished_bytes: What it costs to wait for one, beside its bytes.
    """

    def __init__(
        self,
        limit_bytes: int,
        *,
        client_bytes: int | None = None,
        max_body_bytes: int,
        body_seconds: float = 60.0,
        unfinished_bytes: int = UNFINISHED_BYTES,
    ) -> None:
        one_body_bytes = max_body_bytes + unfinished_bytes
        self.limit_bytes = max(limit_bytes, one_body_bytes)
        self.client_bytes = max(client_bytes or limit_bytes // CLIENT_PART, one_body_bytes)
        self._unfinished_bytes = unfinished_bytes
        self.body_seconds = body_seconds
        self._unfinished: dict[Share, None] = {}  # in order of arrival
        self.by_client: defaultdict[str, int] = defaultdict(int)
        self.in_hand_bytes = 0

    @classmethod
    def within(cls, memory_bytes: int, *, max_body_bytes: int, body_seconds: float) -> Self:
        """Make a budget by which the memory of a gateway stays within what its operator wants.

        Args:
            memory_bytes: That, whatever bodies come.
            max_body_bytes: The longest body; one has always room.
            body_seconds: How long one body may take to arrive.
        """
        part, whole = BODIES_PART
        return cls(
            memory_bytes * part // whole,
            client_bytes=memory_bytes // CLIENT_PART,
            max_body_bytes=max_body_bytes,
            body_seconds=body_seconds,
        )

    @property
    def is_spent(self) -> bool:
        """Whether not even one more byte has room."""
        return self.in_hand_bytes >= self.limit_bytes and not self._unfinished

    def share(self, client: str) -> Share:
        """Make a share; its maker releases it."""
        return Share(self, client)

    def begin(self, share: Share) -> None:
        """Take note of a body that does not come at once, and so may be cut.

        Raises:
            Overloaded: There is no room for what it costs to wait for it.
        """
        self._unfinished[share] = None
        share.grow(self._unfinished_bytes)

    def finish(self, share: Share) -> None:
        """Take note that no more comes of it."""
        del self._unfinished[share]
        share.shrink(self._unfinished_bytes)

    def cut_oldest(self) -> bool:
        """Cut the body that is longest unfinished of those that were not yet, if there is one."""
        for share in self._unfinished:
            if not share.is_cut:
                share.cut()
                return True
        return False

    def make_room(self, growing: Share) -> None:
        """Cut as many unfinished bodies as it takes, those first that began first.

        Raises:
            Overloaded: All of them were not enough.
        """
        client = growing.client
        over = max(
            self.by_client[client] - self.client_bytes, self.in_hand_bytes - self.limit_bytes
        )
        only_client = self.by_client[client] > self.client_bytes
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


def join_small(pieces: list[bytes]) -> None:
    """Join the last two pieces of a body if both are small, as they come to any number."""
    if len(pieces) > 1 and len(pieces[-2]) + len(pieces[-1]) <= PIECE_BYTES:
        last = pieces.pop()
        pieces[-1] += last
