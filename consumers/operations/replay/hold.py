"""Has one process at a time go on with a replay, so that what it counts is all that was copied.

What is copied in one tag is not seen in another, so two that went on at once could pass the limit
together. Whoever goes on holds the books of all tags, the first of them first, and each copy is
made only while it does. Killed, it lets go after a few seconds.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.asyncio import Redis

from consumers.operations.insist import insist
from consumers.operations.replay.wanted import ReplayRefused, parts_of
from relay.contract.connect import text_of
from relay.contract.keys import Keys
from relay.contract.printable import printable
from relay.contract.script import Script

# So long it is held without being renewed, which happens three times as often.
HOLD_MS = 3000
# Who comes waits for no longer hold than that of one that goes on at a rate of one a second.
WAIT_MS = HOLD_MS + 2 * 1000

_hold = Script("consumers", "waiting/member", "operations/replay/hold")


class ReplayGoesOn(ReplayRefused):
    """Somebody else is going on with the replay."""


@dataclass(slots=True, kw_only=True)
class Hold:
    """Holds the books of a replay.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        name: Of the replay.
        run: Which run of it.
        tags: Those of its books, sorted.
        pause_ms: How long it may do nothing between two copies.
        by: Who holds them; nobody else has this name.
    """

    redis: Redis
    keys: Keys
    name: str
    run: str
    tags: Sequence[str]
    pause_ms: int = 0
    by: str = field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    )
    _renew_at: float = 0.0

    async def take(self, waits: Callable[[], None] = lambda: None) -> None:
        """Take them, waiting for one that may have been killed.

        Args:
            waits: Is told when it begins to.

        Raises:
            ReplayGoesOn: Somebody else holds them, and lives.
            ReplayRefused: Another run has begun.
        """
        # When each tag was to be free; they are not held until the same moment.
        seen: dict[str, str] = {}
        while other := await self._other():
            # Who lives holds it on.
            if other.left_ms > WAIT_MS or seen.get(other.tag, other.ends) != other.ends:
                raise ReplayGoesOn(_words(self.name, other))
            if not seen:
                waits()
            seen[other.tag] = other.ends
            await asyncio.sleep(min(other.left_ms + 1, HOLD_MS // 6) / 1000)

    async def renew(self) -> None:
        """Hold them on, where it is time to.

        Raises:
            ReplayGoesOn: Somebody else holds them by now.
            ReplayRefused: Another run has begun.
        """
        if asyncio.get_running_loop().time() < self._renew_at:
            return
        if other := await self._other():
            raise ReplayGoesOn(_words(self.name, other))

    async def let_go(self) -> None:
        """Let whoever comes go on at once."""
        for tag in self.tags:
            await self._ask(tag, 0)

    async def _other(self) -> "_Other | None":
        """Take them all, or say who has the first that is not to be had."""
        hold_ms = HOLD_MS + 2 * self.pause_ms
        self._renew_at = asyncio.get_running_loop().time() + hold_ms / 3000
        for tag in self.tags:
            what, by, left_ms, ends = (await insist(partial(self._ask, tag, hold_ms)))[0]
            if what == b"over":
                raise ReplayRefused(
                    f"Another run of {self.name} has begun, or its book was deleted."
                )
            if what == b"other":
                return _Other(tag, text_of(by), left_ms, text_of(ends))
        return None

    async def _ask(self, tag: str, hold_ms: int) -> Any:  # noqa: ANN401 - a script's reply
        group, digits = parts_of(self.name)
        key = self.keys.replay(tag, group, digits)
        return await _hold(self.redis, [key], self.run, self.by, hold_ms)


@dataclass(frozen=True, slots=True)
class _Other:
    """Who else holds the book of a tag, for how many ms to come, and until when."""

    tag: str
    by: str
    left_ms: int
    ends: str


def _words(name: str, other: _Other) -> str:
    place = printable(other.by.rpartition(":")[0])
    return (
        f"Another process goes on with {name} (host and process id: {place}), and two at once "
        f"could pass its limit. Let it end; where it was killed, {name} is free in "
        f"{other.left_ms // 1000 + 1} s"
    )
