"""Finds the streams that a replay means, and what its group has read of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from consumers.operations.replay.wanted import Wanted
from relay.contract.connect import ResponseError, text_of
from relay.contract.keys import UNIDENTIFIED, Keys, is_event_type
from relay.contract.registry import WrongType, known_types
from relay.contract.stream import Stream

# So many commands are sent in one round trip.
PAGE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A stream that the group reads.

    Args:
        stream: Which.
        read_until: Last entry that the group was given.
        pending: How many of those it has not settled.
        ordered: A worker of the group has read it in order.
    """

    stream: Stream
    read_until: str
    pending: int
    ordered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is.

    Args:
        joined: Streams that the group reads.
        others: How many are meant that it does not.
        groups: Names of all groups that read any of them.
        faults: Keys that cannot be looked at, each with the reason.
    """

    joined: tuple[Joined, ...]
    others: int
    groups: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]


async def find(redis: Redis, keys: Keys, wanted: Wanted, tags: Iterable[str]) -> Found:
    """Find the streams of some tags that are meant.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        wanted: What the replay means.
        tags: Where to look.
    """
    streams, faults = await _registered(redis, keys, wanted, tags)
    replies = await in_pages(redis, [("XINFO", "GROUPS", stream.key) for stream in streams])
    owners = await in_pages(
        redis,
        [("EXISTS", keys.owner(each.tag, wanted.group, each.event_type)) for each in streams],
    )
    joined, others, names = [], 0, set[str]()
    for stream, reply, owned in zip(streams, replies, owners, strict=True):
        if isinstance(reply, ResponseError):
            # One that is registered and gone has nothing to replay.
            faults += [] if "no such key" in str(reply) else [(stream.key, str(reply))]
            continue
        groups = {text_of(group[b"name"]): group for group in map(_paired, reply)}
        names |= groups.keys()
        others += wanted.group not in groups
        if wanted.group in groups:
            joined.append(_joined(stream, groups[wanted.group], ordered=owned == 1))
    return Found(
        joined=tuple(joined), others=others, groups=tuple(sorted(names)), faults=tuple(faults)
    )


async def _registered(
    redis: Redis, keys: Keys, wanted: Wanted, tags: Iterable[str]
) -> tuple[list[Stream], list[tuple[str, str]]]:
    """Give the streams that are meant, and the books of tags that cannot be looked at."""
    streams, faults = [], []
    for tag in tags:
        if not wanted.means_tag(tag):
            continue
        try:
            types = await known_types(redis, keys, tag)
        except WrongType as error:
            faults.append((error.key, f"it {error.what}. {error.advice}"))
            continue
        streams += [
            Stream(tag, event_type, keys.stream(tag, event_type))
            for event_type in types
            if _is_type(event_type) and wanted.means(tag, event_type)
        ]
    return streams, faults


async def count_alive(redis: Redis, keys: Keys, group: str, streams: Sequence[Stream]) -> int:
    """Count the workers of a group that live and read any of some streams.

    Only those with a heartbeat: other programs do not read what is given again.
    """
    commands = [("XINFO", "CONSUMERS", stream.key, group) for stream in streams]
    names = {
        text_of(consumer[b"name"])
        for reply in await in_pages(redis, commands)
        for consumer in (() if isinstance(reply, ResponseError) else map(_paired, reply))
    }
    beats = [("EXISTS", keys.alive(group, name)) for name in sorted(names)]
    return (await in_pages(redis, beats)).count(1)


async def in_pages(redis: Redis, commands: Sequence[tuple[str, ...]]) -> list[Any]:
    """Send commands, many in one round trip.

    Returns:
        Their replies as the server gives them; a `ResponseError` where it refuses.
    """
    replies: list[Any] = []
    for start in range(0, len(commands), PAGE):
        pipeline = redis.pipeline(transaction=False)
        for command in commands[start : start + PAGE]:
            # In two words: redis-py knows no form for those, so replies come as they are.
            pipeline.execute_command(*command)
        replies += await pipeline.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
            raise reply
    return replies


def _is_type(name: str) -> bool:
    return is_event_type(name) or name == UNIDENTIFIED or name.startswith("relay.")


def _joined(stream: Stream, group: dict[bytes, Any], *, ordered: bool) -> Joined:
    return Joined(
        stream=stream,
        read_until=text_of(group[b"last-delivered-id"]),
        pending=int(group[b"pending"]),
        ordered=ordered,
    )


def _paired(flat: Sequence[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
