"""Drops the oldest entries of a stream that is longer than its operator wants."""

from redis.asyncio import Redis

from relay.append.script import Dropped
from relay.contract.script import Script
from relay.contract.stream import Stream

# Beside those that come in meanwhile; another look goes on.
MAX_STEPS = 100

_drop = Script("relay.append", "oldest", "drop")


async def drop_to(redis: Redis, stream: Stream, keep_bytes: int) -> Dropped:
    """Drop a stream's oldest entries until it is no longer than it may be.

    In bounded steps, each of which looks for itself how long the stream is: several gateways that
    do so at once drop no more than one alone.

    Args:
        redis: Client with redis-py's retries off.
        stream: Which.
        keep_bytes: Its bytes at most, as MEMORY USAGE counts them.

    Raises:
        ResponseError: The store refuses.
    """
    entries = unsettled = 0
    for _ in range(MAX_STEPS):
        done, others = await _drop(redis, [stream.key], keep_bytes)
        entries, unsettled = entries + done + others, unsettled + others
        if not done + others:
            break
    return Dropped(stream.event_type, entries, unsettled)
