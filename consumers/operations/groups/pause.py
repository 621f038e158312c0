"""Pauses and resumes the handlers of a group, on all streams or on some.

The state is kept in the store, and the workers obey it within a second; each of these steps may be
repeated.
"""

from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.contract.connect import ResponseError
from relay.contract.control import tell_of_pauses
from relay.contract.keys import Keys
from relay.contract.patterns import Pattern
from relay.contract.paused import EVERYTHING, Pause, read_pauses
from relay.contract.script import Script

MAX_REASON_CHARACTERS = 500

_pause = Script("consumers.operations.groups", "pause")


@dataclass(frozen=True, slots=True)
class Paused:
    """What came of pausing.

    Args:
        pause: What is paused now; where it was paused before, as it was then.
        is_new: Whether it was not.
    """

    pause: Pause
    is_new: bool


async def pauses(redis: Redis, keys: Keys, group: str | None = None) -> list[Pause]:
    """List what is paused.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        group: Only of this group.

    Raises:
        ResponseError: What stands in the place of the book is none.
    """
    fields: dict[bytes, bytes] = await redis.hgetall(keys.paused)  # type: ignore[assignment]
    return [pause for pause in read_pauses(fields) if group in {None, pause.group}]


async def pause(
    redis: Redis,
    keys: Keys,
    group: str,
    pattern: Pattern = EVERYTHING,
    *,
    by: str = "",
    reason: str = "",
) -> Paused:
    """Have no handler of a group begin a new run on the streams that a pattern means.

    What is paused already stays as it is, with its time and reason.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        group: Whose handlers.
        pattern: On which streams, those to come too.
        by: Who wants it.
        reason: Why; cut after 500 characters.

    Raises:
        ResponseError: What stands in the place of the book is none.
    """
    seconds, microseconds = await redis.time()
    wanted = Pause(
        group=group,
        pattern=pattern,
        since_ms=1000 * seconds + microseconds // 1000,
        by=by,
        reason=reason[:MAX_REASON_CHARACTERS],
    )
    value: bytes = await _pause(redis, [keys.paused], wanted.field, wanted.value)
    await _tell(redis, keys, group)
    (there,) = read_pauses({wanted.field.encode(): value})
    return Paused(there, is_new=value == wanted.value)


async def resume(
    redis: Redis, keys: Keys, group: str, pattern: Pattern | None = None
) -> list[Pause]:
    """End pauses of a group; its workers go on at once.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        group: Whose.
        pattern: Only the one that was made with this pattern; else all.

    Returns:
        Those that have ended, which may be none.

    Raises:
        ResponseError: What stands in the place of the book is none.
    """
    ended = [
        pause
        for pause in await pauses(redis, keys, group)
        if pattern is None or pause.pattern == pattern
    ]
    if ended:
        await redis.hdel(keys.paused, *(pause.field for pause in ended))
        await _tell(redis, keys, group)
    return ended


async def _tell(redis: Redis, keys: Keys, group: str) -> None:
    with suppress(ResponseError):  # a full server; workers also look by themselves
        await tell_of_pauses(redis, keys, group)
