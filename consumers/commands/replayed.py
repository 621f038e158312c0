"""What ``relay replay`` says: before, meanwhile and afterwards."""

from collections.abc import Iterator

from consumers.operations.replay import PlannedStream, Replayed, ReplayPlan
from consumers.operations.replay.go_on import Why
from relay.contract.display import show, show_json, tell, time_text, warn
from relay.contract.printable import printable

COLUMNS = ("tag", "type", "events", "exact", "oldest", "newest", "bytes", "held_from")
# A table of a thousand streams takes longer than finding them.
MOST_ROWS = 30
WAITS = {
    "memory": "Waiting: over 70 % of the store's memory is in use; settled events are trimmed now.",
    "handlers": "Waiting: the handlers have yet to read what was replayed until now.",
    "another": "Waiting a moment: another process was at it, which may have been killed.",
}


def show_plan(plan: ReplayPlan, *, as_json: bool) -> None:
    """Say what a replay would do."""
    most_first = sorted(plan.streams, key=lambda each: each.entries, reverse=True)
    rows = [_row(each) for each in most_first]
    if as_json:
        show_json(_document(plan, rows))
        return
    if rows:
        show(rows[:MOST_ROWS], COLUMNS, as_json=False)
    if len(rows) > MOST_ROWS:
        tell(f"And {len(rows) - MOST_ROWS} streams with no more of them; --json shows all.")
    for sentence in _sentences(plan):
        tell(sentence)


def show_result(result: Replayed, *, as_json: bool) -> None:
    """Say what came of a replay."""
    if as_json:
        show_json(
            {
                "id": result.name,
                "group": result.wanted.group,
                "replayed": result.copied,
                "bytes": result.size_bytes,
                "large": result.large,
                "gone": result.gone,
                "gone_ranges": [list(each) for each in result.gone_ranges],
                "faults": [list(each) for each in result.faults],
            }
        )
        return
    tell(f"{result.copied} events were given to {result.wanted.group} again.")
    if result.large:
        tell(f"{result.large} were left out: they have more fields than a script can write.")
    if result.gone:
        tell(f"{result.gone} or more were removed before they could be copied:")
    for key, first, behind in result.gone_ranges:
        tell(f"  {printable(key)}: from {first} until before {behind}")
    for key, fault in result.faults:
        tell(f"{printable(key)} was left: {printable(fault)}")
    if result.faults:
        tell(f"Mend that, then: relay replay --resume {result.name}")


def waiting(why: Why) -> None:
    """Say what a replay waits for."""
    warn(WAITS[why])


def _row(planned: PlannedStream) -> dict[str, object]:
    return {
        "tag": planned.stream.tag,
        "type": planned.stream.event_type,
        "events": planned.entries,
        "exact": planned.exact,
        "oldest": _time(planned.oldest),
        "newest": _time(planned.newest),
        "bytes": planned.size_bytes,
        "held_from": _time(planned.held_from),
        "pending": planned.pending,
        "unread": planned.unread,
        "ordered": planned.ordered,
    }


def _document(plan: ReplayPlan, rows: list[dict[str, object]]) -> dict[str, object]:
    return {
        "group": plan.wanted.group,
        "events": plan.entries,
        "exact": plan.exact,
        "bytes": plan.size_bytes,
        "alive": plan.alive,
        "streams": rows,
        "streams_without_any": len(plan.empty),
        "streams_not_read": plan.others,
        "notes": list(_sentences(plan)),
        "faults": [list(each) for each in plan.faults],
    }


def _sentences(plan: ReplayPlan) -> Iterator[str]:
    """Say what an operator should know, most important first."""
    group = plan.wanted.group
    if plan.streams and not plan.entries:
        yield "Nothing that is meant was found yet; a replay looks at the rest, which takes longer."
    elif plan.streams:
        about = "" if plan.exact else "About "
        yield (
            f"{about}{plan.entries} events ({plan.size_bytes} bytes) would be given to {group} "
            "again, each as a first attempt; no other group sees them."
        )
    else:
        yield f"Nothing to replay to {group}."
    yield from _about_streams(plan)
    yield from _about_group(plan)
    for key, fault in plan.faults:
        yield f"{printable(key)} cannot be looked at: {printable(fault)}"


def _about_streams(plan: ReplayPlan) -> Iterator[str]:
    planned = (*plan.streams, *plan.empty)
    if plan.empty:
        yield f"{len(plan.empty)} streams hold nothing that is meant."
    if any(each.unread for each in planned):
        yield "What the group has yet to read is left out: it comes by itself."
    if any(each.pending for each in plan.streams):
        count = sum(each.pending for each in plan.streams)
        yield f"{count} events are not settled yet; those of them in the range are handled twice."
    ordered = [each.stream.event_type for each in plan.streams if each.ordered]
    if ordered:
        names = ", ".join(map(printable, ordered[:5]))
        yield f"Read in order: {names}. What is replayed has no order, not even among itself."
    room = plan.memory.room_bytes
    if room is not None and plan.size_bytes > room:
        yield (
            f"The copies are larger than the room left below 70 % of the store's memory "
            f"({room} bytes): the replay will wait for handlers and trimming."
        )


def _about_group(plan: ReplayPlan) -> Iterator[str]:
    group = plan.wanted.group
    if plan.others:
        known = ", ".join(map(printable, plan.groups[:10])) or "none"
        yield f"{plan.others} streams are meant that {group} does not read; groups there: {known}."
    if plan.streams and not plan.alive:
        yield (
            f"No worker of {group} lives: the copies wait for one. Other programs do not read them."
        )


def _time(entry_id: str) -> str | None:
    return time_text(int(entry_id.partition("-")[0])) if entry_id else None
