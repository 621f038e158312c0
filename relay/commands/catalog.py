"""Which streams there are: the books of all tags, read for a command."""

from collections.abc import Sequence

from relay.commands.store import Store
from relay.contract.keys import endpoint_of
from relay.contract.patterns import Pattern
from relay.contract.registry import WrongType, known_tags, known_types
from relay.contract.stream import Stream


async def tags(store: Store) -> list[str]:
    """List every tag that a gateway has announced."""
    return await known_tags(store.redis, store.keys)


async def streams(
    store: Store, patterns: Sequence[Pattern], wrong: list[WrongType] | None = None
) -> list[Stream]:
    """List the registered streams that match one of the patterns.

    Args:
        store: Where they are.
        patterns: Which are meant.
        wrong: Takes what stands where a tag's types should, which is then passed over.

    Raises:
        WrongType: Something else stands there, in a tag that is meant, or where the tags should.
    """
    found = [
        Stream(tag, name, store.keys.stream(tag, name))
        for tag in await tags(store)
        if any(pattern.means_endpoint(endpoint_of(tag)) for pattern in patterns)
        for name in await _types(store, tag, wrong)
    ]
    return sorted(
        stream
        for stream in found
        if any(pattern.matches(stream.endpoint, stream.event_type) for pattern in patterns)
    )


async def _types(store: Store, tag: str, wrong: list[WrongType] | None) -> list[str]:
    try:
        return await known_types(store.redis, store.keys, tag)
    except WrongType as error:
        if wrong is None:
            raise
        wrong.append(error)
        return []
