"""The whole story of an entry on one screen: dispatch, handle, decide, settle."""

import time

import structlog

from consumers.effects import Effects
from consumers.entry import HeldEntry
from consumers.event import Event
from consumers.handle import Runner
from consumers.outcome import Done, Failed, Outcome, Poisonous, Postponed, Skipped, Unreadable
from consumers.retry import Acknowledge, Decision, TryAgain, decide
from consumers.rooms import Room
from consumers.settle import Settler
from relay.contract.entry import decode
from relay.contract.errors import UnreadableEntry

_log = structlog.get_logger("consumers.pipeline")


async def process(entry: HeldEntry, room: Room, runner: Runner, settler: Settler) -> None:
    """Take one entry from the read to its end in the store.

    Args:
        entry: Pending under this process.
        room: Where it holds its place, with the handler that it is for.
        runner: Runs that handler.
        settler: Stores the outcome.
    """
    attempt = entry.history.attempts + 1
    effects = Effects(settler, entry)
    first_seen = entry.history.first_seen or time.time()
    outcome = await _run(entry, attempt, first_seen, runner, effects)
    if effects.committed and not isinstance(outcome, Done):
        # The entry is settled already, with its effect: there is nothing to try again.
        _log.warning(
            "failed_after_commit",
            handler=room.handler.name,
            stream=entry.stream.key,
            entry_id=entry.entry_id,
            error=outcome.kind if isinstance(outcome, Failed) else type(outcome).__name__,
        )
        outcome = Done()
    if isinstance(outcome, Done):
        # Nearly every event: neither its age nor the policy matters.
        await settler.settle(entry, room, Acknowledge())
        return
    decision = decide(
        outcome,
        # One that the handler postpones is a run, and uses up none of the policy's attempts.
        attempt=attempt - entry.history.postponed,
        age_seconds=time.time() - entry.stored_at_ms / 1000,
        policy=room.handler.retry,
    )
    _tell(entry, room, attempt, outcome, decision)
    await settler.settle(entry.seen(first_seen), room, decision)


async def _run(
    entry: HeldEntry, attempt: int, first_seen: float, runner: Runner, effects: Effects
) -> Outcome:
    if entry.suspicion.is_poison:
        return Poisonous(entry.suspicion.strikes)
    try:
        stored = decode(entry.fields)
    except UnreadableEntry as error:
        return Unreadable(str(error))
    event = Event(
        stored,
        entry_id=entry.origin_id,
        attempt=attempt,
        effects=effects,
        first_seen=first_seen,
        lease=entry.lease,
    )
    return await runner.run(event)


def _tell(entry: HeldEntry, room: Room, attempt: int, outcome: Outcome, decision: Decision) -> None:
    """Log what is worth a line; an event that is simply handled is not."""
    about = {
        "handler": room.handler.name,
        "stream": entry.stream.key,
        "entry_id": entry.entry_id,
    }
    again_in_seconds = round(decision.delay_seconds, 3) if isinstance(decision, TryAgain) else None
    match outcome:
        case Skipped(why):
            _log.info("event_skipped", **about, why=why)
        case Postponed():
            _log.info(
                "attempt_postponed", **about, attempt=attempt, again_in_seconds=again_in_seconds
            )
        case Failed(kind):
            _log.warning(
                "attempt_failed",
                **about,
                attempt=attempt,
                error=kind,
                again_in_seconds=again_in_seconds,
            )
