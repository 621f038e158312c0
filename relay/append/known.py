"""Asks the dedupe index which events a tag knows: ids in, what is known of each out.

It is asked by the script text that appends, so an event is known here exactly where a gateway would
call it a duplicate. Nothing is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.append.script import digest_of
from relay.contract.connect import text_of
from relay.contract.keys import UNIDENTIFIED, Keys
from relay.contract.script import Script

# Identities per call: the store does nothing else meanwhile.
PAGE = 500

SCRIPT = Script("relay.append", "index", "streams", "known")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of an event.

    Args:
        event_id: The sender's id, which alone is what two deliveries of it have in common.
        event_type: A type that may name a stream, or ``unidentified``.
    """

    event_id: str
    event_type: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the index says of an event.

    Args:
        entry_id: Of its entry; none where there is none, or where that cannot be told.
        problem: Why it cannot be told, in the store's words; empty where it can.
    """

    entry_id: str | None = None
    problem: str = ""


async def known_events(
    redis: Redis, keys: Keys, tag: str, window_seconds: int, events: Sequence[Asked]
) -> list[Known]:
    """Say of each event whether a tag knows it.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        tag: Whose index.
        window_seconds: How long ids are remembered there, 60 or more.
        events: Which, any number.

    Returns:
        What is known, in their order.

    Raises:
        RedisError, OSError: The store refuses to be asked, or is away.
    """
    names = (keys.streams(tag), keys.stream(tag, UNIDENTIFIED), keys.seen(tag, "ids"))
    found: list[Known] = []
    for begin in range(0, len(events), PAGE):
        arguments: list[str | bytes | float] = [500 * window_seconds]
        for each in events[begin : begin + PAGE]:
            arguments += [each.event_type, digest_of_id(each.event_id)]
        found += map(_read, await SCRIPT(redis, names, *arguments))
    return found


def digest_of_id(event_id: str) -> bytes:
    """Give the 16 bytes by which the index knows an event that is remembered by its id alone."""
    return digest_of(event_id.encode("utf-8", "surrogatepass"))


def _read(reply: bytes | str) -> Known:
    code, _, rest = text_of(reply).partition(" ")
    if code == "E":
        return Known(problem=rest)
    return Known(rest) if code else Known()
