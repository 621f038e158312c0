"""Says what a comparison came to: sentences and tables for people, one object for programs.

Ids, types and statuses are Unipile's, and at times a stranger's: all of them go through `show`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from relay.contract.display import show, show_json, tell, time_text, warn
from relay.contract.printable import printable
from relay.reconcile.fold import Attempt, Undelivered
from relay.reconcile.verdict import Missed, Verdict

ROWS = 50
# Of the attempts of one event, the newest.
STATUSES = 8
COLUMNS = ("state", "event", "first_attempt", "type", "account", "attempts", "note")
GROUP_COLUMNS = ("state", "type", "account", "events")
NO_ANSWER = "–"
OTHER_SPOOLS = "Spools of other machines cannot be seen from here."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How much is shown.

    Args:
        as_json: One object, with everything.
        all: Every event, however many.
        pending: Those too that may still come.
    """

    as_json: bool = False
    all: bool = False
    pending: bool = False


def show_verdict(verdict: Verdict, how: Shown) -> None:
    """Say what a comparison came to, and on standard error what could not be looked at."""
    for doubt in verdict.doubts:
        warn(doubt)
    if how.as_json:
        show_json(document(verdict))
        return
    tell(_compared(verdict))
    missed = [*verdict.lost, *verdict.refused, *(verdict.pending if how.pending else ())]
    shown = missed if how.all else missed[:ROWS]
    if shown:
        show([_row(each) for each in shown], COLUMNS, as_json=False)
    if len(shown) < len(missed):
        tell(f"… and {len(missed) - len(shown)} more: --all lists them. All of them together:")
        show(_groups(missed), GROUP_COLUMNS, as_json=False)
    tell(_counted(verdict))
    if verdict.refused:
        tell("Why they were refused: `relay rejections explain`; once it is mended: `… accept`.")
    if verdict.lost:
        tell(OTHER_SPOOLS)


def document(verdict: Verdict) -> dict[str, object]:
    """Give everything of a comparison as plain values."""
    return {
        "endpoint": verdict.endpoint,
        "unipile_ids": list(verdict.unipile_ids),
        "since": time_text(verdict.since_ms),
        "log_from": None if verdict.oldest_ms is None else time_text(verdict.oldest_ms),
        "attempts": verdict.attempts,
        "events": verdict.events,
        "lost": [_document(each) for each in verdict.lost],
        "refused": [_document(each) for each in verdict.refused],
        "filtered": verdict.filtered,
        "pending": len(verdict.pending),
        "unproved": verdict.unproved,
        "doubts": verdict.doubts,
        "ok": verdict.ok,
    }


def _compared(verdict: Verdict) -> str:
    ids = ", ".join(printable(each, 80) for each in verdict.unipile_ids)
    back = "it has none"
    if verdict.oldest_ms is not None:
        back = f"the oldest is of {time_text(verdict.oldest_ms)}"
    return (
        f"{verdict.endpoint}: Unipile's log of {ids} since {time_text(verdict.since_ms)}: "
        f"{verdict.attempts} attempts of {verdict.events} events; {back}."
    )


def _counted(verdict: Verdict) -> str:
    counts = [f"lost: {len(verdict.lost)}", f"refused: {len(verdict.refused)}"]
    counts += [
        f"{name}: {count}"
        for name, count in (
            ("may still come (pending)", len(verdict.pending)),
            ("not wanted (filtered)", verdict.filtered),
            ("here without a proof (unproved)", verdict.unproved),
        )
        if count
    ]
    return f"{verdict.endpoint}: {', '.join(counts)}."


def _row(missed: Missed) -> dict[str, object]:
    event, notes = missed.event, [missed.note] if missed.note else []
    if missed.row is not None:
        notes.insert(0, f"{missed.row.name} ({missed.row.reason})")
    return {
        "state": missed.state,
        "event": event.event_id,
        "first_attempt": time_text(event.first_ms),
        "type": event.event_type,
        "account": missed.account,
        "attempts": _statuses(event),
        "note": ", ".join(notes) or None,
    }


def _statuses(event: Undelivered) -> str:
    in_order = sorted(event.attempts, key=_when)
    words = [NO_ANSWER if one.status is None else str(one.status) for one in in_order]
    before = ["…"] if len(words) > STATUSES else []
    return " ".join([*before, *words[-STATUSES:]])


def _document(missed: Missed) -> dict[str, object]:
    event = missed.event
    found: dict[str, object] = {
        "event": event.event_id,
        "type": event.event_type,
        "account": missed.account,
        "attempts": [
            {"at": time_text(one.at_ms), "status": one.status}
            for one in sorted(event.attempts, key=_when)
        ],
        "note": missed.note or None,
    }
    if missed.row is not None:
        found |= {"row": missed.row.name, "reason": missed.row.reason}
    return found


def _groups(missed: Sequence[Missed]) -> list[dict[str, object]]:
    counts = Counter((one.state, one.event.event_type, one.account) for one in missed)
    return [
        {"state": state, "type": event_type, "account": account, "events": count}
        for (state, event_type, account), count in counts.most_common(ROWS)
    ]


def _when(attempt: Attempt) -> int:
    return attempt.at_ms
