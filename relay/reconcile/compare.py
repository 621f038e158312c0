"""Compares what a sender could not deliver with what is here: a fold in, a verdict out.

The log is read before anything is looked for here, so what arrives meanwhile counts as here.
"""

from collections.abc import Mapping
from operator import attrgetter

from relay.contract.registry import WrongType
from relay.reconcile.fold import Fold, Undelivered
from relay.reconcile.refusals import RefusedRow, find_refused
from relay.reconcile.search import Search, ThisSide, type_of
from relay.reconcile.unwanted import fate_of
from relay.reconcile.verdict import Missed, Verdict

# Of whatever is written down only in minutes or by two clocks.
MARGIN_MS = 60_000

AHEAD = (
    "Unipile's log has an attempt that lies ahead of the store's clock: until that has passed, its "
    "event counts as pending. Set the store's clock right, if it is not."
)
MAY_BE_FILTERED = "may be filtered"
BEGAN_EARLIER = "began earlier"
MAY_BE_FORGOTTEN = "older than the dedupe window"


async def compare(
    here: ThisSide, fold: Fold, accounts: Mapping[str, str | None], settled_before_ms: int
) -> Verdict:
    """Say which events of a sender's log are nowhere here.

    Args:
        here: This side.
        fold: The log.
        accounts: The sender's endpoints, each with the one account that it is restricted to, if
            it is.
        settled_before_ms: Events that were tried after this may come yet, ms since the epoch.

    Raises:
        RedisError, OSError: The store is away, or refuses to be asked.
    """
    verdict = Verdict(
        endpoint=here.endpoint.name,
        unipile_ids=tuple(accounts),
        since_ms=fold.since_ms,
        oldest_ms=fold.oldest_ms,
        attempts=fold.attempts,
        events=fold.events,
    )
    settled = {}
    for event in fold.undelivered():
        if event.last_ms > settled_before_ms:
            verdict.pending.append(Missed(event, "pending", _account(event, accounts)))
        else:
            settled[event.event_id] = event
    search = Search(here, settled)
    await search.run()
    verdict.doubts = search.doubts
    if fold.newest_ms is not None and fold.newest_ms > here.now_ms + MARGIN_MS:
        verdict.hides(AHEAD)
    await _sort_out(here, search, accounts, verdict)
    for missed in (verdict.lost, verdict.refused, verdict.pending):
        missed.sort(key=attrgetter("event.first_ms", "event.event_id"))
    return verdict


async def _sort_out(
    here: ThisSide, search: Search, accounts: Mapping[str, str | None], verdict: Verdict
) -> None:
    verdict.unproved = sum(not is_proved for is_proved in search.found.values())
    left = {name: one for name, one in search.events.items() if name not in search.found}
    rows: dict[str, RefusedRow] = {}
    if left:
        try:
            rows = await find_refused(here.redis, here.keys, here.endpoint, left)
        except WrongType as wrong:
            verdict.doubts.append(str(wrong))
    for event_id, event in left.items():
        row = rows.get(event_id)
        missed = _missed(here, event, row, _account(event, accounts))
        if missed is None:
            verdict.filtered += 1
        else:
            (verdict.lost if row is None else verdict.refused).append(missed)


def _missed(
    here: ThisSide, event: Undelivered, row: RefusedRow | None, account: str | None
) -> Missed | None:
    """Give what is said of an event that is not here; none where it was not wanted."""
    # Elsewhere in a body stands what the sender's log does not have.
    is_sure = here.endpoint.provider.key_of("type") == "type"
    event_type = type_of(here.endpoint, event) if is_sure else None
    fate = fate_of(here.endpoint, event_type, account)
    if fate == "dropped":
        return None
    notes = []
    if fate == "unclear":
        notes.append(MAY_BE_FILTERED)
    if not event.is_whole:
        notes.append(BEGAN_EARLIER)
    if here.now_ms - event.first_ms > 1000 * here.endpoint.window_seconds - MARGIN_MS:
        notes.append(MAY_BE_FORGOTTEN)
    if row is not None:
        # Not sure: whoever was refused could write what he liked.
        return Missed(event, "refused", account or row.account, row, ", ".join(notes))
    return Missed(event, "lost", account, note=", ".join(notes))


def _account(event: Undelivered, accounts: Mapping[str, str | None]) -> str | None:
    return next((one for each in event.endpoint_ids if (one := accounts.get(each))), None)
