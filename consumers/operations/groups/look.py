"""Looks at consumer groups: what each has yet to read and to settle, and who reads.

All streams are asked about together, in a few round trips, by commands that cost the same however
much the streams hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from consumers.operations.groups.find import Found, find_groups, held_groups
from consumers.operations.groups.state import ConsumerState, GroupState
from relay.contract.ask import Asker, Trouble
from relay.contract.connect import text_of
from relay.contract.held import HeldGroups, meant
from relay.contract.keys import Keys
from relay.contract.paused import Pause, read_pauses
from relay.contract.registry import known_tags
from relay.contract.script import Script

# A consumer of another program has no heartbeat; one that was active a moment ago lives.
ACTIVE_MS = 60_000

_first_unread = Script("consumers.operations.groups", "first_unread")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of groups.

    Args:
        states: Sorted by group, tag and type, what is given again behind its type.
        pauses: All that is paused, also of groups that have no stream.
        troubles: Keys that could not be looked at.
    """

    states: list[GroupState]
    pauses: list[Pause]
    troubles: list[Trouble]


async def look(redis: Redis, keys: Keys, *, group: str | None = None) -> Seen:
    """Look at every group on every registered stream.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        group: Only this one.
    """
    asker = Asker(redis)
    seconds, microseconds = await redis.time()
    tags = await known_tags(redis, keys)
    found = await find_groups(asker, keys, tags, group=group)
    states = await _states(asker, keys, found, 1000 * seconds + microseconds // 1000)
    pauses = await _pauses(asker, keys)
    states = await _with_books(asker, keys, states, pauses)
    alive = {state.group for state in states if state.alive}
    return Seen(
        [
            replace(state, abandoned=state.oldest_ms is not None and state.group not in alive)
            for state in states
        ],
        [pause for pause in pauses if group in {None, pause.group}],
        sorted(asker.troubles),
    )


async def _states(
    asker: Asker, keys: Keys, found: Sequence[Found], now_ms: int
) -> list[GroupState]:
    at = [one.stream.key for one in found]
    told = await asker.each(at, lambda p, n: p.xinfo_consumers(at[n], found[n].group))
    pending = await asker.each(at, lambda p, n: p.xpending(at[n], found[n].group))
    unread = await asker.run(_first_unread, [([one.stream.key], (one.last_id,)) for one in found])
    names = sorted(
        {
            (one.group, text_of(each["name"]))
            for one, consumers in zip(found, told, strict=True)
            for each in consumers or ()
        }
    )
    beats = [keys.alive(group, name) for group, name in names]
    beating = dict(
        zip(names, await asker.each(beats, lambda p, n: p.exists(beats[n])), strict=True)
    )
    return [
        GroupState(
            group=one.group,
            stream=one.stream,
            unread=_unread(one.told, first),
            pending=int(one.told["pending"]),
            oldest_ms=_oldest_ms(summary, first, now_ms),
            consumers=tuple(
                _consumer(each, beats=bool(beating[one.group, text_of(each["name"])]))
                for each in consumers or ()
            ),
        )
        for one, consumers, summary, first in zip(found, told, pending, unread, strict=True)
    ]


def _consumer(told: dict[str, Any], *, beats: bool) -> ConsumerState:
    lives = beats or int(told["idle"]) < ACTIVE_MS
    return ConsumerState(name=text_of(told["name"]), pending=int(told["pending"]), lives=lives)


def _unread(told: dict[str, Any], first: bytes | None) -> int | None:
    """Take the server's count, but not where it is known to be nothing.

    Servers before 7.0 do not count; later ones stop counting after entries were deleted.
    """
    if first is None:
        return 0
    lag = told.get("lag")
    return None if lag is None else int(lag)


def _oldest_ms(summary: dict[str, Any] | None, first: bytes | None, now_ms: int) -> int | None:
    ids = [] if first is None else [first]
    if summary and summary["min"]:
        ids.append(summary["min"])
    times_ms = [int(text_of(entry_id).partition("-")[0]) for entry_id in ids]
    return max(0, now_ms - min(times_ms)) if times_ms else None


async def _pauses(asker: Asker, keys: Keys) -> list[Pause]:
    (fields,) = await asker.each([keys.paused], lambda p, _: p.hgetall(keys.paused))
    return read_pauses(fields or {})


async def _with_books(
    asker: Asker, keys: Keys, states: Sequence[GroupState], pauses: Sequence[Pause]
) -> list[GroupState]:
    """Add what the books of tags and groups say."""
    pairs = sorted({(state.stream.tag, state.group) for state in states})
    held = await held_groups(asker, keys, sorted({tag for tag, _ in pairs}))
    counts = []
    for book in (keys.later, keys.dead):
        at = [book(*pair) for pair in pairs]
        lengths = await asker.each(at, lambda p, n, at=at: p.xlen(at[n]))  # type: ignore[misc]
        counts.append(dict(zip(pairs, lengths, strict=True)))
    return [
        replace(
            state,
            later=counts[0][state.stream.tag, state.group],
            dead=counts[1][state.stream.tag, state.group],
            configured=_lists(held[state.stream.tag], state),
            pauses=tuple(p for p in pauses if p.group == state.group and p.means(state.stream)),
        )
        for state in states
    ]


def _lists(held: HeldGroups, state: GroupState) -> bool:
    return state.group in meant(held, state.stream.tag, state.stream.event_type)
