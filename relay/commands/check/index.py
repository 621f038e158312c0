"""Judges the dedupe index: what it will need, and whether the server keeps it as short as that.

Settings and the server's own come in, findings go out. Nothing in the index itself is read.

Source: Redis CONFIG GET, ``hash-max-listpack-entries``; docs/adr/0012.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from relay.commands.store import Store
from relay.contract.connect import ResponseError, text_of
from relay.endpoints import EndpointSection
from relay.finding import Finding

MIB = 1024 * 1024
# For each id of the window, at the worst moment.
BYTES_PER_ID = 64
# The streams are what the store is there for.
LOOK_RATIO = 0.25
# A bucket that is longer is kept in a form that takes several times as much.
LEAST_SETTINGS = {"entries": 128, "value": 64}


def needed_bytes(endpoint: EndpointSection) -> int:
    """Say what an endpoint's index takes at the rate that is expected."""
    return round(endpoint.events_per_second * endpoint.window_seconds) * BYTES_PER_ID


def estimate_index(endpoints: Mapping[str, EndpointSection]) -> list[Finding]:
    """Say for each endpoint what its index will take."""
    return [
        Finding(
            "ok",
            "dedupe index",
            f"{name}: {_mib(needed_bytes(endpoint))} at {endpoint.events_per_second:g} events/s "
            f"(events_per_second) for {endpoint.window_seconds / 3600:g} h",
        )
        for name, endpoint in sorted(endpoints.items())
    ]


async def check_index(store: Store, endpoints: Mapping[str, EndpointSection]) -> list[Finding]:
    """Compare what is needed with what the server has, as far as it may be asked."""
    findings = []
    total_bytes = sum(map(needed_bytes, endpoints.values()))
    # What it may not be asked stands among the findings already.
    if total_bytes:
        with suppress(ResponseError):
            memory: Any = await store.redis.info("memory")
            findings.append(judge_share(total_bytes, memory))
    with suppress(ResponseError):
        held: Any = await store.redis.config_get("hash-max-*")
        findings.append(judge_hashes({text_of(key): text_of(held[key]) for key in held}))
    return findings


def judge_share(total_bytes: int, memory: Mapping[str, Any]) -> Finding:
    """Say what part of the memory the indexes will take, of half the machine's without a bound."""
    bound = int(memory.get("maxmemory", 0)) or int(memory.get("total_system_memory", 0)) // 2
    ratio = total_bytes / bound if bound else 0.0
    found = f"{_mib(total_bytes)} for the dedupe index, {ratio:.0%} of what there is"
    if ratio > LOOK_RATIO:
        return Finding(
            "warn",
            "memory needed",
            found,
            "raise maxmemory, or lower window_seconds, or correct events_per_second",
        )
    return Finding("ok", "memory needed", found)


def judge_hashes(config: Mapping[str, str | None]) -> Finding:
    """Say whether the server keeps short hashes in their short form; 6.2 calls it ziplist."""
    low = [
        (name, config[name], least)
        for name in sorted(config)
        for end, least in LEAST_SETTINGS.items()
        if name.endswith(end) and int(config[name] or 0) < least
    ]
    if not low:
        return Finding("ok", "short hashes", "kept short")
    found = ", ".join(f"{name} {value}" for name, value, _ in low)
    commands = ", ".join(f"CONFIG SET {name} {least}" for name, _, least in low)
    return Finding(
        "warn",
        "short hashes",
        f"{found}: the dedupe index takes several times the memory",
        f"{commands} (and in its file)",
    )


def _mib(size_bytes: int) -> str:
    return f"{-(-size_bytes // MIB):,} MiB"
