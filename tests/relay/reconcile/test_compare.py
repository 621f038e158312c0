"""A verdict: what is said of each event, and what moves while it is looked for."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from relay.contract.patterns import parse_pattern
from relay.endpoint import Endpoint
from relay.reconcile import search
from relay.reconcile.compare import (
    AHEAD,
    BEGAN_EARLIER,
    MAY_BE_FILTERED,
    MAY_BE_FORGOTTEN,
    compare,
)
from relay.reconcile.fold import Fold
from relay.reconcile.search import ThisSide
from relay.reconcile.verdict import Verdict
from relay.rejections.accepted import Acceptance, note_acceptance
from relay.spool.directory import Directory
from relay.unipile.shapes import Conversation
from tests.making import make_endpoint, make_identified
from tests.relay.appending import KEYS, make_bench
from tests.relay.reconcile.test_places import put

pytestmark = pytest.mark.redis

HOUR = 3_600_000
NOW_MS = time.time_ns() // 1_000_000


def failed(fold: Fold, event_id: str, ago_ms: int, **changes: Any) -> None:
    """Add an attempt that failed."""
    at = datetime.fromtimestamp((NOW_MS - ago_ms) / 1000, UTC).isoformat()
    fields: dict[str, Any] = {"event_type": "message.new", "first_attempt": True}
    fields |= {"http_status": 503}
    row = Conversation(id="wc_1", event_id=event_id, created_at=at, **(fields | changes))
    fold.add("we_1", row)


async def judged(
    store: Redis, fold: Fold, spool: Path | None = None, endpoint: Endpoint | None = None
) -> Verdict:
    """Compare at the present."""
    directory = None if spool is None else Directory(spool)
    here = ThisSide(store, KEYS, endpoint or make_endpoint(), directory, NOW_MS)
    return await compare(here, fold, {"we_1": None}, NOW_MS - 300_000)


async def test_what_is_not_sure_of_a_lost_event_is_noted(store: Redis) -> None:
    """Where attempts are missing, and where the index may have forgotten it."""
    fold = Fold(0)
    failed(fold, "evt_1", 73 * HOUR)
    failed(fold, "evt_2", 3 * HOUR, first_attempt=False)
    failed(fold, "evt_3", 2 * HOUR)

    verdict = await judged(store, fold)

    notes = {missed.event.event_id: missed.note for missed in verdict.lost}
    assert notes == {"evt_1": MAY_BE_FORGOTTEN, "evt_2": BEGAN_EARLIER, "evt_3": ""}


async def test_an_event_is_pending_until_nobody_tries_it_any_more(store: Redis) -> None:
    """By its last attempt, however early the first was."""
    fold = Fold(0)
    failed(fold, "evt_1", HOUR)
    failed(fold, "evt_1", 299_000, first_attempt=False)
    failed(fold, "evt_2", 301_000)

    verdict = await judged(store, fold)

    assert [missed.event.event_id for missed in verdict.pending] == ["evt_1"]
    assert [missed.event.event_id for missed in verdict.lost] == ["evt_2"]


async def test_what_leaves_the_spool_while_it_is_read_is_found(
    store: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the index then, though it was not when that was first asked."""
    fold, bench = Fold(0), make_bench(store)
    failed(fold, "evt_1", HOUR)
    asked = search.Search._read_spool

    async def drained(self: search.Search) -> None:
        await bench.append(make_identified("evt_1"))
        await asked(self)

    monkeypatch.setattr(search.Search, "_read_spool", drained)
    verdict = await judged(store, fold, tmp_path)
    await bench.appender.stop()

    assert (verdict.lost, verdict.ok) == ([], True)


async def test_a_type_that_names_no_stream_is_looked_for_under_unidentified(store: Redis) -> None:
    """As the gateway stores it, whatever the sender calls it."""
    fold, bench = Fold(0), make_bench(store)
    failed(fold, "evt_1", HOUR, event_type="weird {type}")
    failed(fold, "evt_2", HOUR, event_type="")
    await bench.append(make_identified("evt_1", "unidentified"))
    await bench.appender.stop()

    verdict = await judged(store, fold)

    assert [missed.event.event_id for missed in verdict.lost] == ["evt_2"]


def _placed(**places: Any) -> Endpoint:
    """Make an endpoint that takes one type only, and finds values where the arguments say."""
    provider = make_endpoint().provider
    return make_endpoint(
        provider=replace(provider, event=replace(provider.event, **places)),
        event_types=(parse_pattern("unipile:chat.message"),),
    )


async def test_an_event_is_judged_by_what_its_type_is_called_here(store: Redis) -> None:
    """That is what the gateway filters by, and under what it is stored."""
    fold = Fold(0)
    failed(fold, "evt_wanted", HOUR)
    failed(fold, "evt_here", HOUR)
    failed(fold, "evt_unwanted", HOUR, event_type="email.new")
    await put(store, "chat.message", NOW_MS - HOUR, "evt_here")

    verdict = await judged(
        store, fold, endpoint=_placed(type_names={"message.new": "chat.message"})
    )

    assert [(one.event.event_id, one.note) for one in verdict.lost] == [("evt_wanted", "")]
    assert verdict.filtered == 1


async def test_nothing_is_filtered_by_a_type_that_stands_elsewhere(store: Redis) -> None:
    """What it was is in a body that never came."""
    fold = Fold(0)
    failed(fold, "evt_1", HOUR)

    verdict = await judged(store, fold, endpoint=_placed(type="{body.payload.kind}"))

    assert [one.note for one in verdict.lost] == [MAY_BE_FILTERED]


async def test_what_was_accepted_is_not_lost_when_its_row_is_gone(store: Redis) -> None:
    """A row lives for a day; what was forced proves nothing, and is said to."""
    fold = Fold(0)
    for name, assurance in (("evt_proved", "body"), ("evt_forced", "none"), ("evt_lost", "")):
        failed(fold, name, 40 * HOUR)
        if assurance:
            said: dict[str, Any] = {"entry_id": "1-1", "outcome": "stored"}
            said |= {"at_ms": NOW_MS, "event_id": name, "assurance": assurance}
            row_id = f"{NOW_MS - 40 * HOUR}-{len(fold._undelivered)}"
            await note_acceptance(store, KEYS, "unipile", row_id, Acceptance(**said), 259_200)

    verdict = await judged(store, fold)

    assert [one.event.event_id for one in verdict.lost] == ["evt_lost"]
    assert verdict.unproved == 1


async def test_notes_that_cannot_be_read_are_a_doubt(store: Redis) -> None:
    """What was accepted counts as not here then."""
    fold = Fold(0)
    failed(fold, "evt_1", HOUR)
    await store.set(KEYS.accepted("unipile", NOW_MS // 86_400_000), "no hash", ex=60)

    verdict = await judged(store, fold)

    assert len(verdict.lost) == 1
    assert verdict.doubts == ["What operators have accepted cannot be read: WRONGTYPE."]


async def test_an_attempt_ahead_of_the_store_is_a_doubt(store: Redis) -> None:
    """It would be pending for ever, and hide that it was lost."""
    fold = Fold(0)
    failed(fold, "evt_1", -59_000)
    near = await judged(store, fold)
    failed(fold, "evt_2", -61_000)
    ahead = await judged(store, fold)

    assert (near.ok, near.doubts) == (True, [])
    assert (ahead.ok, ahead.doubts, len(ahead.pending)) == (False, [AHEAD], 2)
