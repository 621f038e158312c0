"""What the group's books say of entries that were read before."""

from redis.asyncio import Redis

from consumers.entry import HeldEntry, read_history
from relay.contract.keys import Keys


async def with_histories(
    redis: Redis, keys: Keys, group: str, entries: list[HeldEntry]
) -> list[HeldEntry]:
    """Add to entries that were read before what the books know of them.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        group: Whose books.
        entries: All of one tag.
    """
    if not entries:
        return []
    books = keys.attempts(entries[0].stream.tag, group)
    values = await redis.hmget(books, [entry.member for entry in entries])
    return [
        HeldEntry(entry.stream, entry.entry_id, entry.fields, read_history(value))
        for entry, value in zip(entries, values, strict=True)
    ]
