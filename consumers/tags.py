"""Goes through tags for a duty: what stands in the way of one does not keep it from the others.

That is a key of a wrong type; and in a cluster a server that is away, of which the other tags are
not. Where there is no cluster, a store that is away is away for all of them.
"""

from collections.abc import Awaitable, Callable, Iterable

from redis.asyncio import Redis

from consumers.consumer import Consumer
from consumers.skips import Skips
from relay.contract.cluster import address_of, at, is_cluster
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError


async def in_each(
    us: Consumer,
    tags: Iterable[str],
    step: Callable[[str], Awaitable[object]],
    skips: Skips,
    on_trouble: Callable[[Exception], None] = lambda _: None,
) -> None:
    """Take a step in each tag.

    Args:
        us: This process.
        tags: Which.
        step: Takes it in one.
        skips: Is told of those that are passed over.
        on_trouble: Called where one is passed over; the step may have been taken in part.

    Raises:
        RedisError, OSError: The store is away, and is no cluster.
    """
    away: set[str] = set()
    for tag in tags:
        place = ""
        try:
            place = _place(us, tag)
            if place and place in away:
                continue  # each of its tags would be waited for as long as the first
            await step(tag)
        except ResponseError as error:
            on_trouble(error)
            skips.note(tag, error)
        except UNKNOWN_OUTCOME as error:
            if not is_cluster(us.redis):
                raise
            on_trouble(error)
            away.add(place)
            skips.note(tag, error)
        else:
            skips.clear(tag)


async def time_ms(redis: Redis, key: str) -> int:
    """Ask the server that has a key for the time, in ms: entry ids are made by its clock."""
    seconds, microseconds = await at(redis, key).time()
    return 1000 * seconds + microseconds // 1000


def _place(us: Consumer, tag: str) -> str:
    """Say which server has a tag; empty where there is no cluster."""
    redis = us.redis
    return str(address_of(at(redis, us.keys.streams(tag)))) if is_cluster(redis) else ""
