"""What becomes of entries between their runs, in memory: waiting, coming back, being set aside."""

import asyncio
from collections import Counter
from collections.abc import Callable

from consumers.entry import HeldEntry, History
from consumers.event import Event
from consumers.heartbeat import DEAD_SECONDS
from consumers.outcome import Done, Poisonous
from consumers.retry import Acknowledge, SetAside, TryAgain
from consumers.rooms import Room
from consumers.suspects.suspicion import Suspicion
from consumers.testing.attempt import Attempt, Ended, judged
from consumers.testing.clock import MovedClock
from consumers.testing.lanes import StoredLanes
from consumers.testing.options import Plan
from consumers.testing.parked import Parked
from consumers.testing.result import DeadLetter, Result
from consumers.testing.run import Run

AFTER_COMMIT = "after its commit, so it is settled"

Key = tuple[str, str]
# Is told of an entry that is done, and of the event as the test gave it.
OnDone = Callable[[HeldEntry, Event], None]


class Settlement:
    """Takes entries to their end, and writes down what came of them.

    Args:
        plan: What the test wants.
        clock: Moves the time.
        result: What is written.
        lanes: The store's side of each ordered room, by the room's id.
    """

    def __init__(
        self, plan: Plan, clock: MovedClock, result: Result, lanes: dict[int, StoredLanes]
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._result = result
        self._lanes = lanes
        self._begin = clock.time()
        # Each with the event as the test gave it.
        self._open: dict[Key, Event] = {}
        self._crashes: Counter[Key] = Counter()
        self._parked = Parked()
        # How many events have not arrived yet.
        self.coming = len(result.given)
        self.ended = asyncio.Event()
        self.on_done: OnDone = lambda _entry, _event: None

    @property
    def elapsed_seconds(self) -> float:
        """How long it has taken until now, in moved time."""
        return round(self._clock.time() - self._begin, 6)

    @property
    def waiting(self) -> list[Event]:
        """The events that have not come to their end."""
        return list(self._open.values())

    def begin(self, entry: HeldEntry, room: Room, event: Event) -> None:
        """Put an entry into the room of its handler.

        Args:
            entry: New.
            room: Its handler's.
            event: As the test gave it.
        """
        self._open[_key(entry)] = event
        lanes = self._lanes.get(id(room))
        if lanes is not None:
            lanes.streams.add(entry.stream)
        room.put(entry)

    def finish(self, room: Room, attempt: Attempt, ended: Ended, started: float) -> None:
        """Take an entry on after its run, as was decided.

        Args:
            room: Where it holds its place.
            attempt: What ran.
            ended: How.
            started: When, in seconds since the begin.
        """
        ended, decision = judged(
            attempt, ended, room.handler, now=self._clock.wall(), chance=self._plan.draw
        )
        entry = attempt.entry
        ran = not attempt.effects.committed and not isinstance(ended.outcome, Poisonous)
        if ran and self._dies_after(entry):
            self._write(room, attempt, ended, started, None)
            self._taken_over(entry, room)
            return
        note = AFTER_COMMIT if attempt.effects.committed and ended.exception else ""
        self._write(room, attempt, ended, started, decision, note)
        match decision:
            case Acknowledge():
                self._settled(entry, room)
            case TryAgain(delay_seconds, error, postponed):
                seen = entry.seen(attempt.began)
                history = (
                    seen.history.after_postponing() if postponed else seen.history.after(error)
                )
                self._again(entry, _changed(seen, history=history), room, delay_seconds)
            case SetAside():
                self._set_aside(entry, room, decision)

    def died(self, room: Room, attempt: Attempt, started: float) -> None:
        """Take an entry on after the process has died in its run.

        Args:
            room: Where it holds its place.
            attempt: What ran.
            started: When, in seconds since the begin.
        """
        attempt.effects.abandon()
        if attempt.effects.committed:
            ended = Ended(Done())
            note = f"the process died {AFTER_COMMIT}"
            self._write(room, attempt, ended, started, Acknowledge(), note)
            self._settled(attempt.entry, room)
        else:
            self._write(room, attempt, None, started, None)
            self._taken_over(attempt.entry, room)

    def stop(self, why: str) -> None:
        """End it all before every event has come to its end."""
        self._result.stopped = self._result.stopped or why
        self.ended.set()

    def end_if_settled(self) -> None:
        """End it all where nothing is left."""
        if not self._open and not self.coming:
            self.ended.set()

    def close(self) -> None:
        """Bring nothing back any more."""
        self._parked.close()
        for lanes in self._lanes.values():
            lanes.close()

    def _dies_after(self, entry: HeldEntry) -> bool:
        key = _key(entry)
        self._crashes[key] += 1
        return self._crashes[key] <= self._plan.crashes_of(self._open[key].id)

    def _taken_over(self, entry: HeldEntry, room: Room) -> None:
        """Have another process find it, once the death of this one is known."""
        before = entry.suspicion
        strikes = before.strikes + before.runs_alone
        suspicion = Suspicion(before.takeovers + 1, strikes)
        self._again(entry, _changed(entry, suspicion=suspicion), room, DEAD_SECONDS)

    def _again(self, entry: HeldEntry, later: HeldEntry, room: Room, delay_seconds: float) -> None:
        lanes = self._lanes.get(id(room))
        if lanes is not None:
            lanes.park(later, delay_seconds)
        room.let_go(entry)
        if lanes is None:
            self._parked.park(later, room, delay_seconds)

    def _settled(self, entry: HeldEntry, room: Room) -> None:
        event = self._open.pop(_key(entry))
        room.let_go(entry)
        self.on_done(entry, event)
        self.end_if_settled()

    def _set_aside(self, entry: HeldEntry, room: Room, decision: SetAside) -> None:
        history = entry.history
        if decision.attempted:
            history = history.after(decision.error)
        event = self._open.pop(_key(entry))
        letter = DeadLetter(
            event, room.handler.name, decision.reason, decision.error, history.attempts
        )
        self._result.dead_letters.append(letter)
        room.let_go(entry)
        self.end_if_settled()

    def _write(
        self,
        room: Room,
        attempt: Attempt,
        ended: Ended | None,
        started: float,
        decision: Acknowledge | TryAgain | SetAside | None,
        note: str = "",
    ) -> None:
        given = attempt.event
        event = given if isinstance(given, Event) else self._open[_key(attempt.entry)]
        run = Run(
            event,
            room.handler.name,
            None if ended is None else ended.outcome,
            decision,
            exception=None if ended is None else ended.exception,
            started_seconds=started,
            ended_seconds=self.elapsed_seconds,
            note=note,
        )
        self._result.runs.append(run)
        if len(self._result.runs) >= self._plan.most_runs:
            self.stop(f"there were {self._plan.most_runs} runs")


def _changed(
    entry: HeldEntry, *, history: History | None = None, suspicion: Suspicion | None = None
) -> HeldEntry:
    """Give an entry as it is read again, with what the books know of it by then."""
    return HeldEntry(
        entry.stream,
        entry.entry_id,
        entry.fields,
        history or entry.history,
        lane=entry.lane,
        suspicion=suspicion or entry.suspicion,
    )


def _key(entry: HeldEntry) -> Key:
    return entry.stream.key, entry.entry_id
