"""The control stream: news that wakes those who wait for something to change.

What is told here can be lost, since whoever listens also looks by itself from time to time.
"""

from redis.asyncio import Redis

from relay.contract.keys import Keys
from relay.contract.stream import Stream

CONTROL_ENTRIES = 1000


async def tell_of_stream(redis: Redis, keys: Keys, tag: str, event_type: str) -> None:
    """Wake those who wait for new streams.

    Raises:
        ResponseError: The store refuses it.
    """
    await tell(redis, keys, {"what": "stream", "tag": tag, "type": event_type})


async def tell_of_again(redis: Redis, keys: Keys, stream: Stream, group: str) -> None:
    """Wake the readers of a group that is given entries of a type again.

    Raises:
        ResponseError: The store refuses it.
    """
    about = {"what": "again", "tag": stream.tag, "type": stream.event_type, "group": group}
    await tell(redis, keys, about)


async def tell_of_pauses(redis: Redis, keys: Keys, group: str) -> None:
    """Wake the workers of a group: something was paused, or goes on.

    Raises:
        ResponseError: The store refuses it.
    """
    await tell(redis, keys, {"what": "pauses", "group": group})


async def tell(redis: Redis, keys: Keys, fields: dict[str, str]) -> None:
    """Write a piece of news; the oldest go where there are many.

    Args:
        redis: The client.
        keys: Makes the keys.
        fields: ``what`` it is of, and more.

    Raises:
        ResponseError: The store refuses it.
    """
    await redis.xadd(keys.control, fields, maxlen=CONTROL_ENTRIES, approximate=True)  # type: ignore[arg-type]
