"""What the group's books say of entries that were read before."""

from consumers.consumer import Consumer
from consumers.entry import HeldEntry, read_history


async def with_histories(us: Consumer, entries: list[HeldEntry]) -> list[HeldEntry]:
    """Add to entries that were read before what the books know of them.

    Args:
        us: Of whose group.
        entries: All of one tag.

    Returns:
        They again, each with its history.
    """
    if not entries:
        return []
    books = us.keys.attempts(entries[0].stream.tag, us.group)
    values = await us.redis.hmget(books, [entry.member for entry in entries])
    return [
        HeldEntry(entry.stream, entry.entry_id, entry.fields, read_history(value))
        for entry, value in zip(entries, values, strict=True)
    ]
