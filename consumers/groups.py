"""Looks at consumer groups: what each has yet to read and to settle, and who reads."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from relay.contract.connect import ResponseError, text_of
from relay.contract.keys import AGAIN, Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """One group on one stream.

    Args:
        group: Its name.
        tag: Endpoint or partition.
        event_type: The stream's type; ``@again:<type>`` for what the group is given again.
        stream: The stream's key.
        unread: Entries not yet given to any consumer; none where the server does not count them.
        pending: Entries given out and not settled, parked ones among them.
        parked: Entries of the whole tag that wait for another attempt, also out of their streams.
        dead: Dead letters of the whole tag.
        oldest_ms: Age of the oldest entry that is not settled; none where all are.
        alive: Consumers with a heartbeat, or of another program and active within a minute.
        gone: Consumers without.
    """

    group: str
    tag: str
    event_type: str
    stream: str
    unread: int | None
    pending: int
    parked: int
    dead: int
    oldest_ms: int | None
    alive: int
    gone: int


async def look(redis: Redis, keys: Keys) -> list[GroupState]:
    """Look at every group on every registered stream.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.

    Returns:
        Sorted by group, tag and type.
    """
    seconds, microseconds = await redis.time()
    now_ms = 1000 * seconds + microseconds // 1000
    states = []
    for tag in sorted(text_of(tag) for tag in await redis.smembers(keys.tags)):
        for name in sorted(text_of(name) for name in await redis.hkeys(keys.streams(tag))):
            stream = keys.stream(tag, name)
            for group in await _groups(redis, stream):
                states.append(await _state(redis, keys, (tag, name, stream), group, now_ms))
                again = keys.again(tag, text_of(group["name"]), name)
                where = (tag, f"{AGAIN}{name}", again)
                states += [
                    await _state(redis, keys, where, own, now_ms)
                    for own in await _groups(redis, again)
                ]
    return sorted(states, key=lambda state: (state.group, state.tag, state.event_type))


async def _groups(redis: Redis, stream: str) -> list[dict[str, Any]]:
    try:
        groups: list[dict[str, Any]] = await redis.xinfo_groups(stream)
    except ResponseError:
        return []  # registered, but the stream is gone; most have nothing that is given again
    return groups


async def _state(
    redis: Redis, keys: Keys, where: tuple[str, str, str], group: dict[str, Any], now_ms: int
) -> GroupState:
    tag, event_type, stream = where
    name = text_of(group["name"])
    alive, gone = await _consumers(redis, keys, stream, name)
    first_unread = await _first_unread(redis, stream, group)
    return GroupState(
        group=name,
        tag=tag,
        event_type=event_type,
        stream=stream,
        unread=_unread(group, first_unread),
        pending=int(group["pending"]),
        parked=await _waiting(redis, keys, tag, name),
        dead=int(await redis.xlen(keys.dead(tag, name))),
        oldest_ms=await _oldest_ms(redis, stream, group, first_unread, now_ms),
        alive=alive,
        gone=gone,
    )


async def _waiting(redis: Redis, keys: Keys, tag: str, group: str) -> int:
    parked = await redis.zcard(keys.park(tag, group))
    return int(parked) + int(await redis.xlen(keys.later(tag, group)))


async def _first_unread(redis: Redis, stream: str, group: dict[str, Any]) -> str | None:
    after = "(" + text_of(group["last-delivered-id"])
    found = await redis.xrange(stream, min=after, count=1) or []
    return text_of(found[0][0] or "0-0") if found else None


def _unread(group: dict[str, Any], first_unread: str | None) -> int | None:
    """Take the server's count, but not where it is known to be nothing.

    Servers before 7.0 do not count; later ones stop counting after entries were deleted.
    """
    if first_unread is None:
        return 0
    lag = group.get("lag")
    return None if lag is None else int(lag)


async def _oldest_ms(
    redis: Redis, stream: str, group: dict[str, Any], first_unread: str | None, now_ms: int
) -> int | None:
    ids = [] if first_unread is None else [first_unread]
    if group["pending"]:
        summary = await redis.xpending(stream, text_of(group["name"]))
        ids += [text_of(summary["min"])] if summary["min"] else []
    times_ms = [int(entry_id.partition("-")[0]) for entry_id in ids]
    return max(0, now_ms - min(times_ms)) if times_ms else None


async def _consumers(redis: Redis, keys: Keys, stream: str, group: str) -> tuple[int, int]:
    alive = gone = 0
    consumers: list[Any] = await redis.xinfo_consumers(stream, group)
    for consumer in consumers:
        name = text_of(consumer["name"])
        if name.startswith("@"):
            continue  # ours: what is parked, and when somebody left
        beats = await redis.exists(keys.alive(group, name))
        if beats or int(consumer["idle"]) < 60_000:
            alive += 1
        else:
            gone += 1
    return alive, gone
