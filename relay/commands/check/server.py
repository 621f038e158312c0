"""Asks the server that holds the streams whether it may lose or refuse what was confirmed.

A user who may not run INFO or CONFIG is told which questions stay open.

Source: Redis INFO, CONFIG GET, TIME; docs/reference/commands.md.
"""

import shutil
import time
from pathlib import Path

from relay.commands.store import Store
from relay.contract.address import read_address
from relay.finding import Finding
from relay.judge import (
    MIB,
    Facts,
    judge_keeping,
    judge_memory,
    judge_replicas,
    judge_role,
    judge_writes,
)
from relay.warn import read_info, read_settings

CLOCK_SECONDS = 2.0
LEAST_FREE_BYTES = 100 * MIB
REWRITE_MARGIN_BYTES = 256 * MIB
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


async def check_server(store: Store, replicas: int) -> list[Finding]:
    """Ask the server everything.

    Args:
        store: Where it is.
        replicas: How many must confirm an event, 0 for none.

    Raises:
        RedisError: It cannot be reached, or does not let this user in.
    """
    await store.redis.ping()
    info, config = await read_info(store.redis), await read_settings(store.redis, "dir")
    findings = [await _clock(store), *judge_keeping(info, config)]
    if info is not None:
        findings += [judge_role(info), *judge_writes(info), judge_memory(info)]
        findings += filter(None, [judge_replicas(info, config, replicas)])
    if config is not None:
        findings += filter(None, [judge_disk(store.settings.redis_url, config, info or {})])
    return findings


async def _clock(store: Store) -> Finding:
    before = time.time()
    seconds, microseconds = await store.redis.time()
    return judge_clock((before + time.time()) / 2, seconds + microseconds / 1e6)


def judge_clock(ours: float, theirs: float) -> Finding:
    """Compare two readings, in seconds since the epoch."""
    apart = abs(theirs - ours)
    found = f"{apart:.1f} s apart from Redis"
    if apart > CLOCK_SECONDS:
        return Finding(
            "warn", "clock", found, "set both by NTP: signatures are judged by this machine's clock"
        )
    return Finding("ok", "clock", found)


def judge_disk(url: str, config: Facts, info: Facts) -> Finding | None:
    """Judge the disk of a server on this machine; that of another one is not seen from here."""
    address = read_address(url)
    folder = Path(str(config.get("dir", "")))
    is_here = all(host.name in LOCAL_HOSTS for host in address.hosts)
    # Sentinels that run here know servers that may not.
    if address.kind not in ("server", "unix") or not is_here or not folder.is_dir():
        return None
    free = shutil.disk_usage(folder).free
    needed = (
        int(info.get("aof_current_size", 0))
        + int(info.get("used_memory", 0))
        + REWRITE_MARGIN_BYTES
    )
    found = f"{free // MIB} MiB free"
    if free < LEAST_FREE_BYTES:
        return Finding("fail", "disk", found, "make room: a full disk stops every write")
    if free < needed:
        advice = f"a rewrite of the append-only file may need {needed // MIB} MiB"
        return Finding("warn", "disk", found, advice)
    return Finding("ok", "disk", found)
