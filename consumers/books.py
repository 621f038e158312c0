"""What the group's books say of entries that were read before."""

from msgspec.structs import replace

from consumers.consumer import Consumer
from consumers.entry import HeldEntry, read_history
from consumers.suspects.suspicion import read_suspicion


async def with_histories(us: Consumer, entries: list[HeldEntry]) -> list[HeldEntry]:
    """Add to entries that were read before what the books know of them.

    Args:
        us: Of whose group.
        entries: All of one tag.

    Returns:
        They again, each with its history and what speaks against it.
    """
    if not entries:
        return []
    tag, names = entries[0].stream.tag, [entry.member for entry in entries]
    pipeline = us.redis.pipeline(transaction=False)
    pipeline.hmget(us.keys.attempts(tag, us.group), names)
    pipeline.hmget(us.keys.strikes(tag, us.group), names)
    histories, strikes = await pipeline.execute()
    return [
        replace(entry, history=read_history(history), suspicion=read_suspicion(suspicion))
        for entry, history, suspicion in zip(entries, histories, strikes, strict=True)
    ]
