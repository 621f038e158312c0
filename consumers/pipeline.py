"""The whole story of an entry on one screen: dispatch, handle, decide, settle."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from consumers.effects.commit import Effects
from consumers.entry import HeldEntry
from consumers.event import Event
from consumers.handle import Runner
from consumers.handle_batch import BatchRunner
from consumers.metrics.record import Ending
from consumers.outcome import DONE, Done, Failed, Outcome, Poisonous, Postponed, Skipped, Unreadable
from consumers.prepare import Read, prepare
from consumers.retry import ACKNOWLEDGE, decide
from consumers.rooms import Room
from consumers.settle import Settler
from consumers.telling import Whose, tell_failed_after_commit, tell_handled, tell_outcome
from relay.contract import logs
from relay.contract.entry import checked, decode

# Else an event would count as done of which an effect never happened.
NOT_AWAITED = (
    "RuntimeError: the handler has ended, and event.commit or event.once(…).run that it called "
    "has not: await them"
)


class _Run(msgspec.Struct, frozen=True, gc=False):
    """An entry on its way through its handler.

    Args:
        entry: Pending under this process.
        began: When its first run in this group began, seconds since the epoch.
        started: When this run began.
        effects: What its handler does in the store.
        event: What the handler is given, or why it is given nothing.
    """

    entry: HeldEntry
    began: float
    started: float
    effects: Effects
    event: Event | Unreadable | Poisonous


async def process(entry: HeldEntry, room: Room, runner: Runner, settler: Settler) -> None:
    """Take one entry from the read to its end in the store.

    Args:
        entry: Pending under this process.
        room: Where it holds its place, with the handler that it is for.
        runner: Runs that handler.
        settler: Stores the outcome.
    """
    run = _prepared(entry, settler, checked)
    outcome = await runner.run(run.event) if isinstance(run.event, Event) else run.event
    if outcome is DONE and not run.effects.asked_for_any and not entry.suspicion.takeovers:
        # Nearly every event: neither its age nor the policy matters, and there is no strike.
        _note_handled(run, room, settler)
        settler.acknowledge(entry, room)
    else:
        await _finish(run, outcome, room, settler)


async def process_batch(
    entries: Sequence[HeldEntry], room: Room, runner: BatchRunner, settler: Settler
) -> None:
    """Take several entries that the handler is given at once, each to its own end in the store.

    Args:
        entries: Pending under this process.
        room: Where they hold their places, with the handler that they are for.
        runner: Runs that handler.
        settler: Stores the outcomes.
    """
    # Read at once: one that turns out to be unreadable must not fail the others.
    runs = [_prepared(entry, settler, decode) for entry in entries]
    events = [run.event for run in runs if isinstance(run.event, Event)]
    ended = iter(await runner.run_batch(events) if events else ())
    outcomes = [next(ended) if isinstance(run.event, Event) else run.event for run in runs]
    told = list(zip(runs, outcomes, strict=True))
    # What is done is handed over at once; what failed takes a round trip each, so all together.
    for run, outcome in told:
        if isinstance(outcome, Done):
            await _finish(run, outcome, room, settler)
    await asyncio.gather(
        *(
            _finish(run, outcome, room, settler)
            for run, outcome in told
            if not isinstance(outcome, Done)
        )
    )


def _prepared(entry: HeldEntry, settler: Settler, read: Read) -> _Run:
    effects = Effects(settler, entry)
    started = time.time()
    began = entry.history.first_seen or started
    return _Run(entry, began, started, effects, prepare(entry, effects, began, read))


async def _finish(run: _Run, outcome: Outcome, room: Room, settler: Settler) -> None:
    """Decide what becomes of an entry after its run, say so, and store it."""
    entry = run.entry
    if run.effects.abandon() and isinstance(outcome, Done):
        outcome = Failed("RuntimeError", NOT_AWAITED)
    if isinstance(outcome, Done):
        _note_handled(run, room, settler)
        await settler.settle(entry, room, ACKNOWLEDGE)
        return
    if run.effects.committed:
        # The entry is settled already, with its effect: there is nothing to try again.
        _count(run, room, "handled")
        tell_failed_after_commit(entry, _whose(room, settler), outcome)
        await settler.settle(entry, room, ACKNOWLEDGE)
        return
    seconds = _count(run, room, _ending_of(outcome))
    decision = decide(
        outcome,
        # One that the handler postpones is a run, and uses up none of the policy's attempts.
        attempt=entry.history.attempts + 1 - entry.history.postponed,
        age_seconds=time.time() - entry.stored_at_ms / 1000,
        policy=room.handler.retry,
    )
    tell_outcome(entry, _whose(room, settler), seconds, outcome, decision)
    await settler.settle(entry.seen(run.began), room, decision)


def _note_handled(run: _Run, room: Room, settler: Settler) -> None:
    seconds = _count(run, room, "handled")
    if logs.debugging:
        tell_handled(run.entry, _whose(room, settler), seconds)


def _count(run: _Run, room: Room, ending: Ending) -> float:
    """Count a run that has just ended, and give its seconds; what was not run took none."""
    if not isinstance(run.event, Event):
        return 0.0
    return room.record.ran(run.entry.stream.tag, run.started, _first_received(run), ending)


def _first_received(run: _Run) -> float | None:
    """Say when an event was received that was run for the first time."""
    entry = run.entry
    return None if entry.history.attempts else int(entry.fields[b"receivedat"]) / 1000


def _ending_of(outcome: Outcome) -> Ending:
    if isinstance(outcome, Skipped):
        return "skipped"
    return "postponed" if isinstance(outcome, Postponed) else "failed"


def _whose(room: Room, settler: Settler) -> Whose:
    return Whose(room.handler.name, settler.us.group)
