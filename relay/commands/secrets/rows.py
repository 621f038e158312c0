"""What is shown of an endpoint's secrets: rows, and sentences for those who read no tables."""

from collections.abc import Sequence

from relay.commands.secrets.known import Known
from relay.commands.secrets.words import counts, say_loaded, say_standing
from relay.contract.display import time_text
from relay.contract.printable import printable
from relay.usage import EndpointUsage, Outcome

GONE = "not configured"
# The book has them for as long as a gateway has the endpoint, which may be years.
GONE_MS = 90 * 24 * 3600 * 1000

Row = dict[str, object]


def rows_of(knowns: Sequence[Known], usage: EndpointUsage, now_ms: int) -> list[Row]:
    """Give a row for each secret that is configured, or that proved something not long ago."""
    rows = [_row(known, usage, now_ms) for known in knowns]
    there = {(known.name, known.fingerprint) for known in knowns}
    # What stands behind a name that cannot be read is taken for what is configured.
    unread = {known.reference.name for known in knowns if known.fingerprint is None}
    rows += [
        {"secret": each.name, "configured": False, "counts": GONE, "counts_now": False}
        | {"not_before": None, "not_after": None}
        | {"fingerprint": each.fingerprint, "fault": None}
        | _used(each.used)
        for each in sorted(usage.secrets, key=lambda each: -each.used.last_ms)
        if (each.name, each.fingerprint) not in there
        and each.name not in unread
        and now_ms - each.used.last_ms <= GONE_MS
    ]
    return rows


def _row(known: Known, usage: EndpointUsage, now_ms: int) -> Row:
    begin, end = known.reference.not_before_ms, known.reference.not_after_ms
    return {
        "secret": known.name,
        "configured": True,
        "counts": counts(known, now_ms),
        "counts_now": known.counts_at(now_ms),
        "not_before": None if begin is None else time_text(begin),
        "not_after": None if end is None else time_text(end),
        "fingerprint": known.fingerprint,
        "fault": known.fault or None,
        **_used(known.used(usage)),
    }


def _used(used: Outcome | None) -> Row:
    if used is None:
        return {"deliveries": 0, "first": None, "last": None}
    return {
        "deliveries": used.count,
        "first": time_text(used.first_ms),
        "last": time_text(used.last_ms),
    }


def say_all(knowns: Sequence[Known], usage: EndpointUsage, now_ms: int) -> list[str]:
    """Say in sentences where an endpoint's secrets stand."""
    said = [say_standing(knowns, usage, now_ms)]
    if len(knowns) > 1:
        said.append(say_loaded(knowns[0], usage, now_ms))
    unread = [known for known in knowns if known.secret is None]
    said += [
        f"Not to be read here ({printable(known.fault)}), so it is counted by its name alone."
        for known in unread
    ]
    return said
