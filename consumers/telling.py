"""One log line per outcome, which says whose event it was and what came of it.

Never a body, a header's value or an exception's message: any of them may be a secret.
"""

from typing import NamedTuple

import structlog

from consumers.entry import HeldEntry
from consumers.outcome import Failed, Outcome, Postponed, Skipped
from consumers.retry import Decision, TryAgain
from relay.contract.printable import printable

_log = structlog.get_logger("consumers.pipeline")


class Whose(NamedTuple):
    """Who handles an entry: the name of the handler, and of the consumer group."""

    handler: str
    group: str


def about(entry: HeldEntry) -> dict[str, object]:
    """Give what every line about an entry says.

    Read from its fields and not from the event, so that it also names what nobody can read.

    Args:
        entry: Pending under this process.

    Returns:
        Its stream, its entry id, and as far as it has them event id, event type and account.
    """
    said: dict[str, object] = {"stream": entry.stream.key, "entry_id": entry.entry_id}
    for name, field in (("event_id", b"id"), ("event_type", b"type"), ("account", b"account")):
        if field in entry.fields:
            said[name] = printable(entry.fields[field])
    return said


def tell_handled(entry: HeldEntry, whose: Whose, seconds: float) -> None:
    """Log that an event was handled; asked for only where such lines are written."""
    _log.debug("event_handled", **_about_run(entry, whose), seconds=round(seconds, 6))


def tell_failed_after_commit(entry: HeldEntry, whose: Whose, outcome: Outcome) -> None:
    """Log that a handler failed whose event is settled already, with its effect."""
    kind = outcome.kind if isinstance(outcome, Failed) else type(outcome).__name__
    _log.warning("failed_after_commit", **_about_run(entry, whose), error=kind)


def tell_outcome(
    entry: HeldEntry,
    whose: Whose,
    seconds: float,
    outcome: Outcome,
    decision: Decision,
) -> None:
    """Log how a run ended that did not settle its event well.

    Args:
        entry: Pending under this process.
        whose: Who handles it.
        seconds: How long the run took.
        outcome: How it ended.
        decision: What becomes of the event.
    """
    said = _about_run(entry, whose)
    again_in_seconds = round(decision.delay_seconds, 3) if isinstance(decision, TryAgain) else None
    match outcome:
        case Skipped(why):
            _log.info("event_skipped", **said, why=why)
        case Postponed():
            _log.info(
                "attempt_postponed",
                **said,
                seconds=round(seconds, 6),
                again_in_seconds=again_in_seconds,
            )
        case Failed(kind):
            _log.warning(
                "attempt_failed",
                **said,
                seconds=round(seconds, 6),
                error=kind,
                frames=outcome.frames,
                again_in_seconds=again_in_seconds,
            )


def _about_run(entry: HeldEntry, whose: Whose) -> dict[str, object]:
    attempt = entry.history.attempts + 1
    return {**about(entry), **whose._asdict(), "attempt": attempt}
