"""The keys that may stay for ever, each with its reason; every other key must expire."""

import re
from typing import Any

from redis import Redis

from relay.contract.connect import text_of

# What comes after the prefix, and the type that the key must have, or "any".
PERMANENT = (
    (r"\{[^}]+\}:.+", "stream", "the events of a type; trimmed behind the groups"),
    (r"\{[^}]+\}@streams", "hash", "one field per type, of which there are max_types at most"),
    (r"\{[^}]+\}@groups", "hash", "one field per configured group"),
    (r"\{[^}]+\}@dead:.+", "stream", "dead letters, bounded in number and age"),
    (r"\{[^}]+\}@again:.+", "stream", "entries for one group again; removed with the last of them"),
    (r"\{[^}]+\}@later:.+", "stream", "retries that wait long; each leaves when it is due"),
    (r"\{[^}]+\}@later-due:.+", "zset", "one member per entry of @later"),
    (r"\{[^}]+\}@park:.+", "zset", "one member per parked entry, which is still pending"),
    (r"\{[^}]+\}@attempts:.+", "hash", "one field per entry that has failed and is not settled"),
    (r"\{[^}]+\}@strikes:.+", "hash", "one field per suspected entry that is not settled"),
    (r"\{[^}]+\}@lane:.+", "zset", "failed entries and those behind, which are still pending"),
    (r"\{[^}]+\}@effects:.+", "any", "what a group's own scripts keep; theirs to bound"),
    (r"\{[^}]+\}@owner:.+", "hash", "the fencing number, which must never begin again"),
    (r"\{[^}]+\}@gaps", "hash", "one field per account, of a week's changes and bounded"),
    (r"\{[^}]+\}@accounts", "hash", "one field per account"),
    (r"@tags", "set", "one member per configured endpoint or partition"),
    (r"@control", "stream", "capped"),
    (r"@paused", "hash", "what an operator paused"),
)
_PATTERNS = tuple(
    (re.compile(rf"[a-z0-9][a-z0-9-]*:{name}", re.DOTALL), kind) for name, kind, _ in PERMANENT
)


def keys_without_end(client: Redis) -> list[str]:
    """List the keys that have no expiry and no place in the permanent list."""
    asked, keys = client.pipeline(transaction=False), list(client.scan_iter(count=1000))
    for raw in keys:
        asked.type(raw)
        asked.ttl(raw)
    said: Any = asked.execute()
    found = []
    for raw, kind, seconds in zip(keys, map(text_of, said[::2]), said[1::2], strict=True):
        if seconds == -1 and not _may_stay(text_of(raw), kind):
            found.append(f"{text_of(raw)} ({kind})")
    return sorted(found)


def _may_stay(name: str, kind: str) -> bool:
    return any(pattern.fullmatch(name) and wanted in {kind, "any"} for pattern, wanted in _PATTERNS)
