"""Entries and handler in, how their run ended out: the pipeline's story, without a store."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from consumers.entry import HeldEntry
from consumers.event import Event
from consumers.handle import Runner
from consumers.handle_batch import BatchRunner
from consumers.outcome import Done, Failed, Outcome, Poisonous, Skipped, Unreadable
from consumers.pipeline import NOT_AWAITED
from consumers.prepare import prepare
from consumers.retry import Acknowledge, Decision, decide
from consumers.testing.memory import MemoryEffects, Surroundings
from consumers.worker import Handler
from relay.contract.entry import checked, decode

# What the run that is under way has raised.
_raised: ContextVar[list[BaseException]] = ContextVar("raised")


class _Heard(Runner):
    """Keeps what a handler raised, which an outcome tells as a text only."""

    def judge(self, error: BaseException, otherwise: str = "") -> Outcome:
        _raised.get().append(error)
        return super().judge(error, otherwise)


class _HeardBatch(_Heard, BatchRunner):
    """The same for batches."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An entry on its way through its handler.

    Args:
        entry: Which.
        effects: What its handler does in the store.
        event: What the handler is given, or why it is given nothing.
        began: When its first run began, seconds since the epoch.
    """

    entry: HeldEntry
    effects: MemoryEffects
    event: Event | Unreadable | Poisonous
    began: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Args:
        outcome: How.
        exception: What was raised, if anything was.
    """

    outcome: Outcome
    exception: BaseException | None = None


class Performer:
    """Runs one handler.

    A handler with ``isolate`` runs in this process as well: what kills it would end the test.

    Args:
        handler: Whose function is run.
        around: Takes the store's place.
    """

    def __init__(self, handler: Handler, around: Surroundings) -> None:
        self.handler = handler
        self._around = around
        self._settler = around.settler()
        batch = _HeardBatch(handler) if handler.batch is not None else None
        self._batch: BatchRunner | None = batch
        self._runner: Runner = batch or _Heard(handler)

    def provide(self, resources: Mapping[str, Any]) -> None:
        """Prepare the calls.

        Args:
            resources: What is open, by name.
        """
        self._runner.provide(resources)

    def stopping(self) -> None:
        """Take note that what is cancelled from now on is no failure of the handler."""
        self._runner.stopping = True

    def forgives(self, task: asyncio.Task[Any]) -> bool:
        """Let a task go on that was cancelled outside of a run, unless that is its end."""
        return self._runner.forgives(task)

    async def stop(self) -> None:
        """Leave nothing behind that can be ended."""
        await self._runner.stop()

    def attempt(self, entry: HeldEntry) -> Attempt:
        """Make of an entry what its handler is given."""
        effects = MemoryEffects(self._around, self._settler, entry)
        began = entry.history.first_seen or self._around.now()
        read = checked if self._batch is None else decode
        return Attempt(entry, effects, prepare(entry, effects, began, read), began)

    async def perform(self, attempts: Sequence[Attempt]) -> list[Ended]:
        """Run the handler on several events at once, or on one.

        Returns:
            For each, in their order, how it ended.

        Raises:
            Crash: The process died in it, as the test wants.
            HandlerEnded: The handler has asked for the end of the process.
        """
        raised: list[BaseException] = []
        mark = _raised.set(raised)
        try:
            events = [each.event for each in attempts if isinstance(each.event, Event)]
            outcomes = iter(await self._outcomes(events) if events else ())
        finally:
            _raised.reset(mark)
        told = [
            next(outcomes) if isinstance(each.event, Event) else each.event for each in attempts
        ]
        return _with_exceptions(told, raised)

    async def _outcomes(self, events: list[Event]) -> list[Outcome]:
        if self._batch is not None:
            return await self._batch.run_batch(events)
        return [await self._runner.run(event) for event in events]


def judged(
    attempt: Attempt, ended: Ended, handler: Handler, *, now: float, chance: Callable[[], float]
) -> tuple[Ended, Decision]:
    """Say what becomes of an event after a run, by the worker's own policy.

    Args:
        attempt: What ran.
        ended: How.
        handler: Whose policy it is.
        now: The time of day, seconds since the epoch.
        chance: Decides the jitter.
    """
    entry, effects = attempt.entry, attempt.effects
    if effects.abandon() and isinstance(ended.outcome, Done):
        ended = Ended(Failed("RuntimeError", NOT_AWAITED))
    if effects.committed:
        return ended, Acknowledge()
    decision = decide(
        ended.outcome,
        attempt=entry.history.attempts + 1 - entry.history.postponed,
        age_seconds=now - entry.stored_at_ms / 1000,
        policy=handler.retry,
        chance=chance,
    )
    return ended, decision


def _with_exceptions(outcomes: Sequence[Outcome], raised: Sequence[BaseException]) -> list[Ended]:
    failures = [each for each in outcomes if not isinstance(each, _NOT_RAISED)]
    # A batch that raised has raised once, for all of its events.
    errors = iter(raised) if len(raised) >= len(failures) else repeat(next(iter(raised), None))
    return [
        Ended(each) if isinstance(each, _NOT_RAISED) else Ended(each, next(errors))
        for each in outcomes
    ]


_NOT_RAISED = (Done, Skipped, Unreadable, Poisonous)
