"""Compares each endpoint with Unipile's log, all of them before anything is said of one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.commands.rejections.judging import Configured, configured
from relay.commands.rejections.since import ago_ms
from relay.commands.store import Store, environment, opened
from relay.commands.unipile.opening import opening
from relay.commands.unipile.reconcile.choosing import (
    endpoints_meant,
    endpoints_there,
    gone,
    secrets_without,
    strangers,
)
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError, word_of
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.endpoint import Endpoint
from relay.reconcile.book import Result, write_result
from relay.reconcile.compare import MARGIN_MS, compare
from relay.reconcile.fold import Fold
from relay.reconcile.log import read_log
from relay.reconcile.search import ThisSide
from relay.reconcile.verdict import Verdict
from relay.spool.directory import Directory
from relay.unipile.shapes import UnipileEndpoint

CLOCKS = (
    "This machine's clock and the store's are {} seconds apart, and which attempts are compared is "
    "told by this machine's: set the one right that is wrong."
)
NO_SPOOL = "No spool is configured here, so none was looked through."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for.

    Args:
        endpoint: Of relay.toml; none for all of Unipile's.
        ids: What Unipile calls it.
        since: How far back, as it was typed.
        settled_after_seconds: What was tried less long ago may come yet.
        spool_dir: Where the spool is, if that was said.
        redis_url: Where the store is, likewise.
        api_url: Where Unipile is, likewise.
        api_seconds: How long it may take for one wish.
    """

    endpoint: str | None
    ids: tuple[str, ...]
    since: str | None
    settled_after_seconds: int
    spool_dir: Path | None
    redis_url: str | None
    api_url: str | None
    api_seconds: float


@dataclass(frozen=True, slots=True)
class _Read:
    """The log of one endpoint, read whole, and what makes it doubtful that nothing is missing."""

    endpoint: Endpoint
    theirs: list[UnipileEndpoint]
    fold: Fold
    settled_before_ms: int
    hiding: Sequence[str]
    doubts: Sequence[str]


async def compare_all(wanted: Wanted) -> list[Verdict]:
    """Compare all endpoints that are meant, and keep what each comparison came to.

    Raises:
        CommandFailed: Something was typed or configured so that nothing can be compared.
        UnipileFailed: A log could not be read whole; then nothing is said of any endpoint.
        RedisError, OSError: The store is away, or refuses to be asked.
    """
    environ = environment()
    api = opening(environ, wanted.api_url, wanted.api_seconds)
    known = configured(wanted.redis_url)
    endpoints = endpoints_meant(known, wanted.endpoint, wanted.ids)
    spans = [_span_ms(endpoint, wanted) for endpoint in endpoints]
    spool = _spool(known, wanted.spool_dir)
    logs = []
    async with api as unipile:
        found = await endpoints_there(unipile, endpoints, wanted.ids)
        for endpoint, theirs, span_ms in zip(endpoints, found, spans, strict=True):
            begun_ms = _now_ms()
            ids = [one.id for one in theirs]
            fold = await read_log(unipile, ids, begun_ms - span_ms)
            settled_before_ms = begun_ms - 1000 * wanted.settled_after_seconds
            missing = [] if wanted.ids else secrets_without(endpoint, theirs)
            # One with an end was given that on purpose, as at the end of a rotation.
            doubts = [gone(secret) for secret in missing if secret.not_after_ms is not None]
            hiding = [gone(secret) for secret in missing if secret.not_after_ms is None]
            hiding += strangers(known, endpoint, theirs) if wanted.ids else []
            logs.append(_Read(endpoint, theirs, fold, settled_before_ms, hiding, doubts))
    async with opened(known.settings) as store:
        verdicts = [await _compare(store, each, spool) for each in logs]
        for verdict in verdicts:
            await _keep(store, verdict)
    return verdicts


async def _compare(store: Store, log: _Read, spool: Directory | None) -> Verdict:
    seconds, microseconds = await store.redis.time()
    now_ms = 1000 * int(seconds) + int(microseconds) // 1000
    apart_ms = abs(_now_ms() - now_ms)
    here = ThisSide(store.redis, store.keys, log.endpoint, spool, now_ms)
    accounts = {one.id: _only(one.accounts) for one in log.theirs}
    verdict = await compare(here, log.fold, accounts, log.settled_before_ms)
    if apart_ms > MARGIN_MS:
        verdict.hides(CLOCKS.format(apart_ms // 1000))
    # Where nothing is lost it does not matter, and a schedule should be silent.
    if spool is None and verdict.lost:
        verdict.doubts.append(NO_SPOOL)
    for doubt in log.hiding:
        verdict.hides(doubt)
    verdict.doubts += log.doubts
    return verdict


async def _keep(store: Store, verdict: Verdict) -> None:
    """Write the result down; where that fails the verdict stands all the same."""
    result = Result(
        at=_now_ms(),
        lost=len(verdict.lost),
        refused=len(verdict.refused),
        pending=len(verdict.pending),
        since=verdict.since_ms,
    )
    try:
        await write_result(store.redis, store.keys, verdict.endpoint, result)
    except (RedisError, *UNKNOWN_OUTCOME) as problem:
        verdict.doubts.append(
            f"The result could not be kept for the metrics ({word_of(problem)}): "
            f"{store.keys.reconciled(verdict.endpoint)}."
        )


def _span_ms(endpoint: Endpoint, wanted: Wanted) -> int:
    window_ms = 1000 * endpoint.window_seconds
    span_ms = window_ms if wanted.since is None else ago_ms(wanted.since)
    if span_ms <= 1000 * wanted.settled_after_seconds:
        raise CommandFailed(
            f"What is looked at of {endpoint.name} is the last {span_ms // 1000} seconds, and all "
            f"of that may still come (--settled-after {wanted.settled_after_seconds}), so nothing "
            "could be lost: make the one longer or the other shorter.",
            exit_code=WRONG_USAGE,
        )
    if span_ms > window_ms:
        raise CommandFailed(
            f"--since {printable(wanted.since)} is longer than ids are remembered at "
            f"{endpoint.name} ({endpoint.window_seconds} s): what is older cannot be told from "
            "what was lost.",
            exit_code=WRONG_USAGE,
        )
    return span_ms


def _spool(known: Configured, said: Path | None) -> Directory | None:
    path = known.settings.spool.directory if said is None else said
    if path is None:
        return None
    if path.is_dir():
        return Directory(path)
    if said is None:  # a gateway makes it, and none has run here
        return None
    raise CommandFailed(
        f"--spool-dir {printable(said, 200)} is no directory.", exit_code=WRONG_USAGE
    )


def _only(accounts: tuple[str, ...]) -> str | None:
    return accounts[0] if len(accounts) == 1 else None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
