"""Says how many events a group is about to be given on a stream."""

from consumers.consumer import Consumer
from relay.contract.script import Script

PAGE = 256
PAGE_BYTES = 1024 * 1024
# Whoever has more than some ten thousand events before them need not know it to the last one.
PAGES = 40

_unread = Script("consumers", "unread")


async def count_unread(us: Consumer, stream_key: str) -> tuple[int, bool]:
    """Count what our group has yet to read.

    Returns:
        How many, and whether that is all: where the server has not counted by itself, a long
        backlog is counted up to a bound. It can be too many where entries were deleted.
    """
    count, after = 0, b""
    for _ in range(PAGES):
        more, after = await _unread(us.redis, [stream_key], us.group, after, PAGE, PAGE_BYTES)
        count += more
        if not after:
            return count, True
    return count, False
