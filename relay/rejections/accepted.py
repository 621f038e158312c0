"""Which rows of the refusal log an operator has accepted: by whom, why, and what was stored.

It is noted when the event has its entry, and kept longer than the row: as long as the sender's log
is compared with what is here, and two days beyond that for whatever was tried again. That an event
is not stored twice does not hang on it but on the dedupe index: these notes say what was done.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from redis.asyncio import Redis

from relay.contract.connect import send_command, text_of
from relay.contract.event import Assurance
from relay.contract.keys import Keys
from relay.contract.script import Script

DAY_MS = 24 * 3600 * 1000
# From the beginning of a row's day, beside the window: that day, and two in which its event may
# have been tried again. A row is gone after one.
KEPT_DAYS = 3
# Notes per command: the store does nothing else meanwhile.
PAGE = 500

_note = Script("relay.rejections", "accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What became of a row that was accepted.

    Args:
        at_ms: When, ms since the epoch.
        event_id: The event's id, the first of them where they were several.
        entry_id: Of its entry.
        outcome: ``stored``, or ``duplicate`` where it was there already.
        assurance: What was proved.
        by: Who has forced it; empty where it proved itself.
        why: For what reason; likewise.
    """

    at_ms: int
    event_id: str
    entry_id: str
    outcome: str
    assurance: Assurance
    by: str = ""
    why: str = ""


async def note_acceptance(
    redis: Redis,
    keys: Keys,
    endpoint: str,
    row_id: str,
    acceptance: Acceptance,
    window_seconds: int,
) -> Acceptance:
    """Take note that a row was accepted; give what is noted, which may be of somebody before.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoint: Whose log.
        row_id: Of the row.
        acceptance: What became of it.
        window_seconds: How long the endpoint remembers ids.

    Raises:
        RedisError, OSError: The store refuses it, or is away.
    """
    day = _day_of(row_id)
    noted = await _note(
        redis,
        [keys.accepted(endpoint, day)],
        row_id,
        json.dumps(asdict(acceptance)),
        (day + KEPT_DAYS) * DAY_MS + 1000 * window_seconds,
    )
    return _read(noted) or acceptance


async def read_acceptances(
    redis: Redis, keys: Keys, endpoint: str, row_ids: Iterable[str]
) -> dict[str, Acceptance]:
    """Give what is noted of rows, by their ids.

    Raises:
        RedisError, OSError: The store refuses it, or is away.
    """
    by_day: dict[int, list[str]] = {}
    for row_id in row_ids:
        by_day.setdefault(_day_of(row_id), []).append(row_id)
    found = {}
    for day, ids in by_day.items():
        noted = await send_command(redis, "HMGET", keys.accepted(endpoint, day), *ids)
        for row_id, text in zip(ids, noted, strict=True):
            acceptance = None if text is None else _read(text)
            if acceptance is not None:
                found[row_id] = acceptance
    return found


async def acceptances_of(
    redis: Redis,
    keys: Keys,
    endpoint: str,
    ids: Collection[str],
    since_ms: int,
    until_ms: int,
) -> dict[str, Acceptance]:
    """Give what is noted of events, by their ids; of several notes one of an event that was proved.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoint: Whose log.
        ids: Of which events.
        since_ms: From when on their rows may have come, ms since the epoch.
        until_ms: Until when, likewise.

    Raises:
        RedisError, OSError: The store refuses it, or is away.
    """
    found: dict[str, Acceptance] = {}
    for day in range(since_ms // DAY_MS, until_ms // DAY_MS + 1):
        async for _, text in redis.hscan_iter(keys.accepted(endpoint, day), count=PAGE):
            acceptance = _read(text)
            if acceptance is None or acceptance.event_id not in ids:
                continue
            if acceptance.assurance != "none" or acceptance.event_id not in found:
                found[acceptance.event_id] = acceptance
    return found


def _day_of(row_id: str) -> int:
    return int(row_id.partition("-")[0]) // DAY_MS


def _read(text: bytes | str) -> Acceptance | None:
    """Read a note; none where it is not of our form."""
    try:
        values = json.loads(text_of(text) if isinstance(text, bytes) else text)
        texts = {name: str(values[name]) for name in ("event_id", "entry_id", "outcome")}
        more = {name: str(values.get(name, "")) for name in ("by", "why")}
        assurance = values["assurance"]
        if assurance not in ("body", "sender", "none"):
            return None
        return Acceptance(at_ms=int(values["at_ms"]), assurance=assurance, **texts, **more)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
