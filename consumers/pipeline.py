"""The whole story of an entry on one screen: dispatch, handle, decide, settle."""

import time

import structlog

from consumers.effects import Effects
from consumers.entry import HeldEntry
from consumers.event import Event
from consumers.handle import Runner
from consumers.outcome import Done, Failed, Outcome, Skipped, Unreadable
from consumers.retry import TryAgain, decide
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
    outcome = await _run(entry, attempt, runner, effects)
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
    decision = decide(
        outcome,
        attempt=attempt,
        age_seconds=time.time() - entry.stored_at_ms / 1000,
        policy=room.handler.retry,
    )
    if isinstance(outcome, Skipped):
        _log.info(
            "event_skipped",
            handler=room.handler.name,
            stream=entry.stream.key,
            entry_id=entry.entry_id,
            why=outcome.why,
        )
    if isinstance(outcome, Failed):
        _log.warning(
            "attempt_failed",
            handler=room.handler.name,
            stream=entry.stream.key,
            entry_id=entry.entry_id,
            attempt=attempt,
            error=outcome.kind,
            again_in_seconds=(
                round(decision.delay_seconds, 3) if isinstance(decision, TryAgain) else None
            ),
        )
    await settler.settle(entry, room, decision)


async def _run(entry: HeldEntry, attempt: int, runner: Runner, effects: Effects) -> Outcome:
    try:
        stored = decode(entry.fields)
    except UnreadableEntry as error:
        return Unreadable(str(error))
    event = Event(stored, entry_id=entry.entry_id, attempt=attempt, effects=effects)
    return await runner.run(event)
