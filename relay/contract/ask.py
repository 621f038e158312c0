"""Asks the store many things in one round trip, and keeps what it refuses beside the key.

A key of a wrong type, or one that is not permitted, must not keep an operator from seeing the
rest, and a command that looks at a thousand streams must not ask for each by itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from relay.contract.connect import ResponseError, word_of
from relay.contract.script import Call, Script

# So many commands in one round trip: their replies are kept until all have come.
PAGE = 500
# What is gone, or was never there, is no trouble.
ABSENT = ("no such key", "NOGROUP")


@dataclass(frozen=True, slots=True, order=True)
class Trouble:
    """A key that could not be looked at.

    Args:
        key: Which.
        error: The first word of what the store said, as ``WRONGTYPE``.
    """

    key: str
    error: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks, and remembers what was refused.

    Args:
        redis: Client with redis-py's retries off.
        troubles: Each key once.
    """

    redis: Redis
    troubles: set[Trouble] = field(default_factory=set)

    async def each(self, keys: Sequence[str], ask: Callable[[Pipeline, int], object]) -> list[Any]:
        """Ask one thing of each key.

        Args:
            keys: Which.
            ask: Puts the command for one key, given its place among them, into a pipeline.

        Returns:
            The replies in the order of the keys; none where the store refused.
        """
        found: list[Any] = []
        for start in range(0, len(keys), PAGE):
            places = range(start, min(start + PAGE, len(keys)))
            pipeline = self.redis.pipeline(transaction=False)
            for place in places:
                ask(pipeline, place)
            replies = await pipeline.execute(raise_on_error=False)
            found += [self._seen(keys[at], one) for at, one in zip(places, replies, strict=True)]
        return found

    async def run(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """Run a script once for each call; none where the store refused."""
        found: list[Any] = []
        for start in range(0, len(calls), PAGE):
            page = calls[start : start + PAGE]
            replies = await script.many(self.redis, page)
            found += [
                self._seen(keys[0], one) for (keys, _), one in zip(page, replies, strict=True)
            ]
        return found

    async def there(self, keys: Iterable[str]) -> list[str]:
        """Give those of a tag's keys that exist; asks of many at once, since most do not."""
        wanted = list(keys)
        pages = [wanted[start : start + PAGE] for start in range(0, len(wanted), PAGE)]
        counts = await self.each([page[0] for page in pages], lambda p, at: p.exists(*pages[at]))
        some = [key for page, count in zip(pages, counts, strict=True) if count for key in page]
        found = await self.each(some, lambda p, at: p.exists(some[at]))
        return [key for key, exists in zip(some, found, strict=True) if exists]

    def _seen(self, key: str, reply: Any) -> Any:  # noqa: ANN401 - each command has its own
        if not isinstance(reply, Exception):
            return reply
        if not isinstance(reply, ResponseError):
            raise reply
        if not any(word in str(reply) for word in ABSENT):
            self.troubles.add(Trouble(key, word_of(reply)))
        return None
