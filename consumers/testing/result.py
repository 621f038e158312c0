"""What came of a run of a worker, and what a test says must have come of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from consumers.event import Event
from consumers.retry import DeadReason
from consumers.testing.memory import Memory
from consumers.testing.run import Run, table

# An event, or its id.
Which = Event | str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was set aside for good.

    Args:
        event: Which.
        handler: Name of the handler that it was set aside for.
        reason: Why, as a stable word.
        error: The last error.
        attempts: How many runs there were, as the dead letter counts them.
    """

    event: Event
    handler: str
    reason: DeadReason
    error: str
    attempts: int


@dataclass(slots=True)
class Result:
    """What came of the events that a worker was given.

    Args:
        given: All of them, in the order of their coming.
        memory: What is remembered of their steps; give it to the next run to go on from here.
        runs: Each run of a handler for an event, in the order in which they ended.
        dead_letters: What was set aside for good.
        unrouted: Events that no handler's pattern matches.
        waiting: Events that had not come to their end when the run was ended.
        elapsed_seconds: How long it took, in moved time.
        stopped: Why it was ended before every event had come to its end; empty where it was not.
        notes: What is different from a real worker, in this run.
    """

    given: list[Event]
    memory: Memory
    runs: list[Run] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    unrouted: list[Event] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)
    elapsed_seconds: float = 0.0
    stopped: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def handled(self) -> list[Event]:
        """The events whose handler has done its work, in the order in which that ended."""
        found: dict[str, Event] = {}
        for run in self.runs:
            if run.done:
                found.setdefault(run.event.identity, run.event)
        return list(found.values())

    @property
    def order(self) -> list[str]:
        """The ids of the events whose handler has done its work, one for each time it did."""
        return [run.event.id for run in self.runs if run.done]

    def runs_of(self, which: Which) -> list[Run]:
        """Give the runs for one event.

        Args:
            which: The event, or its id.
        """
        return [run for run in self.runs if _is(run.event, which)]

    def attempts_of(self, which: Which) -> int:
        """Say how many runs there were for one event.

        Args:
            which: The event, or its id.
        """
        return len(self.runs_of(which))

    def steps_done(self, event: Event) -> set[str]:
        """Name the steps of ``event.once`` that are done for an event."""
        return self.memory.done(event.identity)

    def table(self) -> str:
        """Show every run, one a line."""
        lines = [table(self.runs), f"after {self.elapsed_seconds:g} s of moved time"]
        lines += [
            f"no handler reads {each.endpoint}:{each.type} {each.id!r}" for each in self.unrouted
        ]
        lines += [f"not at its end: {each.type} {each.id!r}" for each in self.waiting]
        if self.stopped:
            lines.append(f"ended early: {self.stopped}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def assert_all_handled(self) -> None:
        """Fail unless the handler of every given event has done its work."""
        __tracebackhide__ = True
        done = {event.identity for event in self.handled}
        self._expect("all handled", [each for each in self.given if each.identity not in done])

    def assert_handled(self, which: Which, attempts: int | None = None) -> None:
        """Fail unless the handler of an event has done its work.

        Args:
            which: The event, or its id.
            attempts: After how many runs; none for any number.
        """
        __tracebackhide__ = True
        runs = self.runs_of(which)
        if not any(run.done for run in runs):
            self._fail(f"{_name(which)} was not handled")
        if attempts is not None and len(runs) != attempts:
            self._fail(f"{_name(which)} took {len(runs)} runs, not {attempts}")

    def assert_skipped(self, which: Which) -> None:
        """Fail unless an event was acknowledged without a run, since it proves too little."""
        __tracebackhide__ = True
        if not any(run.skipped for run in self.runs_of(which)):
            self._fail(f"{_name(which)} was not skipped")

    def assert_dead(self, which: Which, reason: DeadReason | None = None) -> DeadLetter:
        """Fail unless an event is a dead letter, and give that.

        Args:
            which: The event, or its id.
            reason: Why; none for any reason.
        """
        __tracebackhide__ = True
        found = [each for each in self.dead_letters if _is(each.event, which)]
        if not found:
            self._fail(f"{_name(which)} is no dead letter")
        if reason is not None and found[-1].reason != reason:
            self._fail(
                f"{_name(which)} is dead for the reason {found[-1].reason!r}, not {reason!r}"
            )
        return found[-1]

    def assert_no_dead_letters(self) -> None:
        """Fail if anything was set aside."""
        __tracebackhide__ = True
        self._expect("no dead letters", [each.event for each in self.dead_letters])

    def assert_order(self, *events: Which) -> None:
        """Fail unless these events were handled one after the other, others between them or not.

        Args:
            events: Each an event, or its id.
        """
        __tracebackhide__ = True
        wanted = [_name(each) for each in events]
        ids = {_id(each) for each in events}
        got = [repr(each) for each in self.order if each in ids]
        if got != wanted:
            self._fail(f"expected the order {', '.join(wanted)}, got {', '.join(got) or 'none'}")

    def _expect(self, wanted: str, others: Iterable[Event]) -> None:
        __tracebackhide__ = True
        names = ", ".join(f"{each.type} {each.id!r}" for each in others)
        if names:
            self._fail(f"expected {wanted}, but for {names}")

    def _fail(self, what: str) -> None:
        __tracebackhide__ = True
        cause = next((run.exception for run in reversed(self.runs) if run.exception), None)
        raise AssertionError(f"{what}\n\n{self.table()}") from cause


def _is(event: Event, which: Which) -> bool:
    return event.identity == which.identity if isinstance(which, Event) else event.id == which


def _id(which: Which) -> str:
    return which.id if isinstance(which, Event) else which


def _name(which: Which) -> str:
    return repr(_id(which))
