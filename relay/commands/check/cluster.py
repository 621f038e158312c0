"""Judges a cluster as a whole, and has each of its servers judged as one that stands alone.

Source: Redis CLUSTER INFO, CLUSTER SLOTS; ``cluster-require-full-coverage`` in redis.conf.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from relay.commands.store import Store
from relay.contract import cluster
from relay.contract.cluster.slots import SLOTS, SlotRange
from relay.contract.connect import UNKNOWN_OUTCOME, ResponseError, text_of
from relay.finding import Finding

if TYPE_CHECKING:
    from relay.contract.address import Host

Ask = Callable[[Store], Awaitable[list[Finding]]]


async def check_servers(store: Store, ask: Ask) -> list[Finding]:
    """Ask the server, or each of a cluster.

    Args:
        store: A client of whichever it is.
        ask: What is asked of one server.

    Raises:
        RedisError: A single server, or the whole cluster, cannot be reached or lets nobody in.
    """
    if not cluster.is_cluster(store.redis):
        findings = await ask(store)
        return findings + await _check_alone(store)
    await cluster.look(store.redis)
    ranges = cluster.ranges(store.redis)
    findings = [judge_slots(ranges), *judge_copies(ranges)]
    for node in cluster.nodes(store.redis):
        findings += await _ask_one(Store(node, store.settings), ask)
    return findings


async def _ask_one(store: Store, ask: Ask) -> list[Finding]:
    host = cluster.address_of(store.redis)
    try:
        findings = await ask(store)
        with suppress(ResponseError):  # not permitted
            about: Any = await store.redis.execute_command("CLUSTER INFO")
            findings.append(judge_state(about))
        with suppress(ResponseError):
            held: Any = await store.redis.config_get("cluster-require-full-coverage")
            config = {text_of(name): text_of(value) for name, value in held.items()}
            findings.append(judge_coverage(config))
    except UNKNOWN_OUTCOME:
        advice = "start it, or wait for a replica to take its place"
        return [Finding("fail", "server", f"{host} does not answer", advice)]
    return [replace(each, found=f"{host}: {each.found}") for each in findings]


async def _check_alone(store: Store) -> list[Finding]:
    with suppress(ResponseError):  # not permitted
        facts: Any = await store.redis.info("cluster")
        return judge_alone(facts)
    return []


def judge_alone(facts: Mapping[str, Any]) -> list[Finding]:
    """Say whether a server that is taken for a single one is one of a cluster."""
    if not facts.get("cluster_enabled"):
        return []
    return [
        Finding(
            "fail",
            "cluster",
            "this server is one of a cluster, and refuses the keys of the others",
            "write the URL as redis+cluster://host:port",
        )
    ]


def judge_slots(ranges: Sequence[SlotRange]) -> Finding:
    """Say whether every key has a server."""
    covered = sum(each.last - each.first + 1 for each in ranges)
    primaries = len({each.primary for each in ranges})
    found = f"{covered:,} of {SLOTS:,} slots on {primaries} primaries"
    if covered == SLOTS:
        return Finding("ok", "slots", found)
    return Finding(
        "fail",
        "slots",
        f"{found}: endpoints without a server get 503",
        "bring the servers back, or run redis-cli --cluster fix",
    )


def judge_copies(ranges: Sequence[SlotRange]) -> list[Finding]:
    """Say whether every primary has somebody to take its place."""
    copies: defaultdict[Host, set[Host]] = defaultdict(set)
    for each in ranges:
        copies[each.primary].update(each.replicas)
    alone = sorted(primary for primary, replicas in copies.items() if not replicas)
    if not alone:
        return [Finding("ok", "failover", f"at least {min(map(len, copies.values()))} each")]
    return [
        Finding(
            "warn",
            "failover",
            f"{host} has none: its endpoints get 503 while it is away",
            "add one: CLUSTER REPLICATE on an empty server",
        )
        for host in alone
    ]


def judge_state(about: Mapping[str, Any]) -> Finding:
    """Say whether a server takes commands, by its own word."""
    state = str(about.get("cluster_state"))
    if state == "ok":
        return Finding("ok", "cluster_state", state)
    advice = "it hears of too few others, or slots have no server: see CLUSTER NODES"
    return Finding("fail", "cluster_state", state, advice)


def judge_coverage(config: Mapping[str, str]) -> Finding:
    """Say whether one missing server stops all others."""
    if config.get("cluster-require-full-coverage") != "yes":
        return Finding("ok", "full coverage", "not required")
    return Finding(
        "warn",
        "full coverage",
        "required: while any slot has no server, all of them refuse",
        "CONFIG SET cluster-require-full-coverage no (and in its file)",
    )
