"""Events of one delivery in, one result out: all of them are stored, or the sender comes again.

Each is appended for itself, so what a crash or a refusal leaves out is what the next try adds. The
whole body is kept once in each tag, beside the first of its events there.
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from relay.contract.event import (
    GZIP_MAGIC,
    Appended,
    Batch,
    Duplicate,
    IdentifiedEvent,
    Spooled,
)

Result = Appended | Duplicate | Spooled
Append = Callable[[IdentifiedEvent], Awaitable[Result]]

# As many as go in one flush: other deliveries get their turn between two of them.
AT_ONCE = 128
# What is longer is packed beside the loop.
PACKED_HERE_BYTES = 16 * 1024
FASTEST = 1
# What is shorter than this costs more to pack than it takes.
LEAST_PACKED_BYTES = 1024
# What is hardly shorter is kept as it is, so that nobody must unpack it.
WORTH_PACKING = 0.9


async def append_all(events: Sequence[IdentifiedEvent], append: Append) -> Result:
    """Append events in their order.

    Args:
        events: At least one.
        append: Stores one of them.

    Returns:
        What the first one became that is not a duplicate; a duplicate where all are. Where one is
        only on the disk, all of it is not stored yet.

    Raises:
        TryLater: One of them was not stored, which says nothing of the others.
    """
    if len(events) == 1:
        # As most bodies of most of these senders have.
        return await append(events[0])
    results: list[Result] = []
    for start in range(0, len(events), AT_ONCE):
        part = events[start : start + AT_ONCE]
        answers = await asyncio.gather(
            *(_appended(event, append) for event in part), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            results.append(answer)
    for kind in (Spooled, Appended):
        if found := [result for result in results if isinstance(result, kind)]:
            return found[0]
    return results[0]


async def with_whole(
    events: Sequence[IdentifiedEvent], body: bytes, keep_seconds: int
) -> list[IdentifiedEvent]:
    """Give the first event of each tag the whole body to bring along.

    Args:
        events: Those of one delivery.
        body: As it came.
        keep_seconds: How long it is kept.
    """
    is_long = len(body) > PACKED_HERE_BYTES
    kept = await asyncio.to_thread(_packed, body) if is_long else _packed(body)
    tags: set[str] = set()
    bringing = []
    for event in events:
        batch_id = event.event.batch_id
        if batch_id is None or event.tag in tags:
            bringing.append(event)
            continue
        tags.add(event.tag)
        batch = Batch(batch_id, kept, keep_seconds)
        bringing.append(msgspec.structs.replace(event, batch=batch))
    return bringing


async def _appended(event: IdentifiedEvent, append: Append) -> Result:
    # What has no room is refused before there is anything to wait for.
    return await append(event)


def _packed(body: bytes) -> bytes:
    if len(body) < LEAST_PACKED_BYTES or body.startswith(GZIP_MAGIC):
        return body
    packed = gzip.compress(body, FASTEST, mtime=0)
    return packed if len(packed) < WORTH_PACKING * len(body) else body
