"""Which streams there are: the books of all tags, read for a command."""

from collections.abc import Sequence

from relay.commands.store import Store
from relay.contract.connect import text_of
from relay.contract.patterns import Pattern
from relay.contract.stream import Stream


async def tags(store: Store) -> list[str]:
    """List every tag that a gateway has announced."""
    return sorted(text_of(tag) for tag in await store.redis.smembers(store.keys.tags))


async def streams(store: Store, patterns: Sequence[Pattern]) -> list[Stream]:
    """List the registered streams that match one of the patterns."""
    found = [
        Stream(tag, text_of(name), store.keys.stream(tag, text_of(name)))
        for tag in await tags(store)
        for name in await store.redis.hkeys(store.keys.streams(tag))
    ]
    return sorted(
        stream
        for stream in found
        if any(pattern.matches(stream.endpoint, stream.event_type) for pattern in patterns)
    )
