"""Judges the server that holds the streams: may it lose or refuse what was confirmed?

A user who may not run INFO or CONFIG is told which questions stay open.

Source: Redis INFO, CONFIG GET, TIME; docs/reference/commands.md.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from relay.capacity import STOP_RATIO
from relay.commands.check.finding import Finding
from relay.commands.store import Store
from relay.contract.connect import ResponseError, text_of

MIB = 1024 * 1024
OLDEST = (6, 2)
FAULTY_VALKEY = {(9, 0, 0), (9, 0, 1)}
CLOCK_SECONDS = 2.0
LOOK_RATIO = 0.70
LEAST_FREE_BYTES = 100 * MIB
REWRITE_MARGIN_BYTES = 256 * MIB
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1", None}

Facts = Mapping[str, Any]


async def check_server(store: Store) -> list[Finding]:
    """Ask the server everything.

    Raises:
        RedisError: It cannot be reached, or does not let this user in.
    """
    await store.redis.ping()
    findings = [await _clock(store)]
    info, config = await _info(store), await _config(store)
    if info is None:
        findings.append(
            _open("INFO", "version, persistence, role and memory", "let this user run INFO")
        )
    else:
        findings += [
            judge_version(info),
            judge_role(info),
            judge_append_only(info),
            *judge_writes(info),
        ]
        findings += [judge_memory(info)]
    if config is None:
        findings.append(
            _open(
                "CONFIG GET", "appendfsync, maxmemory-policy and disk", "see your provider's pages"
            )
        )
    else:
        judges: tuple[Callable[[], Finding | None], ...] = (
            lambda: judge_fsync(config, info),
            lambda: judge_policy(config),
            lambda: judge_disk(store.settings.redis_url, config, info or {}),
        )
        findings += [finding for judge in judges if (finding := judge()) is not None]
    return findings


async def _info(store: Store) -> Facts | None:
    try:
        return dict(await store.redis.info())
    except ResponseError:
        return None


async def _config(store: Store) -> Facts | None:
    facts: dict[str, str] = {}
    try:
        # One by one: several names in one call came with Redis 7.
        for name in ("appendfsync", "maxmemory-policy", "dir"):
            held = await store.redis.config_get(name)
            facts |= {text_of(key or ""): text_of(value or "") for key, value in held.items()}
    except ResponseError:
        return None
    return facts


def _open(command: str, questions: str, advice: str) -> Finding:
    return Finding("warn", command, f"not permitted, so not judged: {questions}", advice)


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


def judge_version(info: Facts) -> Finding:
    """Say whether the release has every command we use, and keeps what it confirms."""
    name = "Valkey" if "valkey_version" in info else "Redis"
    text = str(info.get("valkey_version") or info.get("redis_version", ""))
    version = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
    found = f"{name} {text}"
    if version < OLDEST:
        return Finding("fail", "version", found, "Redis 6.2 or newer, or Valkey, is needed")
    if name == "Valkey" and version in FAULTY_VALKEY:
        return Finding(
            "warn",
            "version",
            found,
            "this release can lose writes at a restart; take 9.1.2 or newer",
        )
    return Finding("ok", "version", found)


def judge_role(info: Facts) -> Finding:
    """Say whether it takes writes."""
    role = str(info.get("role", "unknown"))
    if role == "master":
        return Finding("ok", "role", f"master, {info.get('connected_slaves', 0)} replicas")
    return Finding("fail", "role", role, "point the URL at the master: a replica takes no events")


def judge_append_only(info: Facts) -> Finding:
    """Say whether it writes a log at all."""
    if info.get("aof_enabled"):
        return Finding("ok", "append-only file", "on")
    return Finding(
        "warn",
        "append-only file",
        "off: a restart loses events that were answered 200",
        "CONFIG SET appendonly yes (and appendonly yes in its file)",
    )


def judge_writes(info: Facts) -> list[Finding]:
    """Say which of the server's own writes to disk failed; nothing where all went well."""
    names = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    return [
        Finding("fail", name, str(info[name]), "look into the server's log and at its disk")
        for name in names
        if info.get(name, "ok") != "ok"
    ]


def judge_memory(info: Facts) -> Finding:
    """Say how full it is, and whether it has a bound."""
    used, bound = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not bound:
        return Finding(
            "warn",
            "memory",
            f"{used // MIB} MiB used, no maxmemory",
            "CONFIG SET maxmemory 2gb, or what the machine can spare (and in its file)",
        )
    ratio = used / bound
    found = f"{used // MIB} of {bound // MIB} MiB used ({ratio:.0%})"
    if ratio >= STOP_RATIO:
        return Finding(
            "fail",
            "memory",
            f"{found}; from {STOP_RATIO:.0%} on new events get 503",
            "let workers catch up, drop what is not needed, or raise maxmemory",
        )
    if ratio >= LOOK_RATIO:
        return Finding("warn", "memory", found, f"ingress stops at {STOP_RATIO:.0%}")
    return Finding("ok", "memory", found)


def judge_fsync(config: Facts, info: Facts | None) -> Finding | None:
    """Say when the log reaches the disk; nothing where there is no log."""
    if not (info or {}).get("aof_enabled", True):
        return None
    fsync = config.get("appendfsync")
    if fsync == "always":
        return Finding("ok", "appendfsync", "always")
    return Finding(
        "warn",
        "appendfsync",
        f"{fsync}: a crash loses what was answered 200 shortly before",
        "CONFIG SET appendfsync always (and appendfsync always in its file)",
    )


def judge_policy(config: Facts) -> Finding:
    """Say what it does when it is full."""
    policy = str(config.get("maxmemory-policy"))
    if policy == "noeviction":
        return Finding("ok", "maxmemory-policy", policy)
    return Finding(
        "fail",
        "maxmemory-policy",
        f"{policy}: a full server throws events or the dedupe index away",
        "CONFIG SET maxmemory-policy noeviction (and in its file)",
    )


def judge_disk(url: str, config: Facts, info: Facts) -> Finding | None:
    """Judge the disk of a server on this machine; that of another one is not seen from here."""
    parts = urlsplit(url)
    folder = Path(str(config.get("dir", "")))
    if (parts.scheme != "unix" and parts.hostname not in LOCAL_HOSTS) or not folder.is_dir():
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
