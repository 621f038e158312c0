"""Judges whether the server may lose or refuse what it has confirmed.

What INFO and CONFIG GET said comes in, findings go out; nothing is asked here.

Source: Redis INFO, CONFIG GET; docs/reference/configuration.md.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from relay.capacity import STOP_RATIO
from relay.finding import Finding

MIB = 1024 * 1024
OLDEST = (6, 2)
FAULTY_VALKEY = {(9, 0, 0), (9, 0, 1)}
LOOK_RATIO = 0.70
# The server itself holds a replica for lost at this age by default (min-replicas-max-lag).
LAG_SECONDS = 10
# What CONFIG is asked for by `judge_settings`.
SETTINGS = ("appendfsync", "maxmemory-policy", "min-replicas-to-write")
NOT_PERMITTED = "not permitted"

Facts = Mapping[str, Any]


def judge_keeping(info: Facts | None, config: Facts | None) -> list[Finding]:
    """Say how much a crash costs, and whether a full server throws anything away.

    Args:
        info: All of INFO; none where it is not permitted.
        config: What CONFIG GET said of `SETTINGS`; none where it is not permitted.
    """
    findings = []
    if info is not None:
        findings += [judge_version(info), judge_append_only(info)]
    else:
        questions = "version, persistence, role and memory"
        findings.append(not_judged("INFO", questions, "let this user run INFO"))
    if config is None:
        findings.append(
            not_judged(
                "CONFIG GET",
                "appendfsync, min-replicas-to-write and disk",
                "see your provider's pages for how often the append-only file is synced",
            )
        )
    judged = (judge_fsync(config, info), judge_policy(config, info))
    return findings + [finding for finding in judged if finding is not None]


def not_judged(command: str, questions: str, advice: str) -> Finding:
    """Say what is not known, since this user may not ask."""
    return Finding("warn", command, f"{NOT_PERMITTED}, so not judged: {questions}", advice)


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


def judge_bound(info: Facts) -> Finding | None:
    """Say where its memory has no bound; nothing where it has one."""
    if int(info.get("maxmemory", 0)):
        return None
    # Half the machine's is assumed.
    return Finding(
        "warn",
        "memory",
        f"{int(info.get('used_memory', 0)) // MIB} MiB used, no maxmemory",
        "CONFIG SET maxmemory 2gb, or what the machine can spare (and in its file)",
    )


def judge_memory(info: Facts) -> Finding:
    """Say how full it is, and whether it has a bound."""
    if unbounded := judge_bound(info):
        return unbounded
    used, bound = int(info.get("used_memory", 0)), int(info["maxmemory"])
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


def judge_fsync(config: Facts | None, info: Facts | None) -> Finding | None:
    """Say when the log reaches the disk; nothing where there is none, or nobody may ask."""
    if config is None or not (info or {}).get("aof_enabled", True):
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


def judge_policy(config: Facts | None, info: Facts | None) -> Finding | None:
    """Say what it does when it is full; INFO knows it too. Nothing where nobody may ask."""
    policy = (config or {}).get("maxmemory-policy") or (info or {}).get("maxmemory_policy")
    if policy is None:
        return None
    if policy == "noeviction":
        return Finding("ok", "maxmemory-policy", policy)
    return Finding(
        "fail",
        "maxmemory-policy",
        f"{policy}: a full server throws events or the dedupe index away",
        "CONFIG SET maxmemory-policy noeviction (and maxmemory-policy noeviction in its file)",
    )


def judge_replicas(info: Facts, config: Facts | None, wanted: int) -> Finding | None:
    """Say whether as many replicas follow as must confirm an event.

    Args:
        info: All of INFO.
        config: What CONFIG GET said; none where it is not permitted.
        wanted: How many must, 0 for ``durability = "local"``.

    Returns:
        The finding; none where there is neither a replica nor a wish for one.
    """
    lags = _lags(info)
    if not wanted and not lags:
        return None
    behind = f", {max(lags)} s behind at most" if lags else ""
    least = (config or {}).get("min-replicas-to-write")
    rule = f", min-replicas-to-write {least}" if least is not None else ""
    found = f"{len(lags)} connected{behind}{rule}"
    if not wanted:
        advice = f'durability = "replicated:{min(len(lags), 9)}" has them confirm each event'
        state = "a failover loses what a promoted replica has not got yet"
        return Finding("warn", "replicas", f"{found}; durability is local: {state}", advice)
    return _judge_number(lags, found, wanted)


def _judge_number(lags: Sequence[int], found: str, wanted: int) -> Finding:
    if len(lags) < wanted:
        return Finding(
            "fail",
            "replicas",
            f"{found}; durability is replicated:{wanted}, so no event counts as stored",
            "start replicas (REPLICAOF), or lower durability",
        )
    if sum(lag <= LAG_SECONDS for lag in lags) < wanted:
        advice = "look at their links and their load: what is not confirmed in time gets 503"
        return Finding("warn", "replicas", found, advice)
    return Finding("ok", "replicas", found)


def _lags(info: Facts) -> list[int]:
    """Give how long ago each replica that is in step was heard of, in seconds."""
    count = int(info.get("connected_slaves", 0))
    replicas = [info.get(f"slave{number}") for number in range(count)]
    return [
        max(0, int(replica.get("lag", 0)))
        for replica in replicas
        if isinstance(replica, Mapping) and replica.get("state") == "online"
    ]
