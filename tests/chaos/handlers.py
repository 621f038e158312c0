"""The workers' side: handlers that log each run before and after it, and go wrong by rule.

Runs in worker processes, whose directory is the run's.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consumers import Event, GiveUp, Retry, Worker
from tests.chaos.rules import ATTEMPTS, EXIT_CODE, TIMEOUT_SECONDS, Rule, rule_for
from tests.records import Record

GROUP = os.environ["CHAOS_GROUP"]
SEED = int(os.environ["CHAOS_SEED"])

_runs = Record(Path(f"runs-{GROUP}-{os.getpid()}.log"))
_acts = Record(Path(f"acts-{GROUP}.log"))
_numbers = itertools.count()

worker = Worker(group=GROUP)
retry = Retry(attempts=ATTEMPTS, base_seconds=0.1, cap_seconds=1.0)


class Wrong(Exception):
    """By rule."""


@contextmanager
def _run(event: Event) -> Iterator[Rule]:
    """Log a run, and do what the rule says before and after its work."""
    number = next(_numbers)
    _runs.write("start", number, event.id, event.entry_id, event.attempt)
    rule = rule_for(SEED, GROUP, event.id)
    outcome = "failed"
    try:
        yield rule
        _go_wrong(rule, event)
        outcome = "done"
    finally:
        _runs.write("end", number, outcome)


def _go_wrong(rule: Rule, event: Event) -> None:
    if rule.kind == "gives up":
        raise GiveUp("by rule")
    if rule.kind == "never succeeds" or (rule.kind == "fails" and event.attempt <= rule.times):
        raise Wrong
    if rule.kind == "kills" or (rule.kind == "exits" and _exits_left(rule, event)):
        os._exit(EXIT_CODE)


def _exits_left(rule: Rule, event: Event) -> bool:
    """Tell whether the event is to end its process once more; the book of that outlives it."""
    book = Path(f"exits-{GROUP}-{event.id}.log")
    before = book.stat().st_size if book.exists() else 0
    with book.open("ab") as file:
        file.write(b"x")
    return before < rule.times


def _hangs(rule: Rule, event: Event) -> bool:
    return rule.kind == "hangs" and event.attempt <= rule.times


@worker.on("unipile:message.*", retry=retry, timeout_seconds=TIMEOUT_SECONDS, concurrency=5)
async def handle(event: Event) -> None:
    """Handle as a coroutine; one that hangs is cancelled."""
    with _run(event) as rule:
        await asyncio.sleep(60.0 if _hangs(rule, event) else rule.seconds)


@worker.on("unipile:mail.*", retry=retry, timeout_seconds=TIMEOUT_SECONDS, concurrency=3)
def handle_in_thread(event: Event) -> None:
    """Handle as a plain function; one that hangs keeps its place until it returns."""
    with _run(event) as rule:
        time.sleep(TIMEOUT_SECONDS + 0.5 if _hangs(rule, event) else rule.seconds)


@worker.on(
    "unipile:chat.*",
    retry=retry,
    timeout_seconds=TIMEOUT_SECONDS,
    concurrency=5,
    order_by="account",
)
async def handle_in_order(event: Event) -> None:
    """Handle one after the other for each account; the act tells by its fence whose it was."""
    with _run(event) as rule:
        await asyncio.sleep(60.0 if _hangs(rule, event) else rule.seconds / 4)
    _acts.write(event.fence, event.account, event.entry_id, event.id)
