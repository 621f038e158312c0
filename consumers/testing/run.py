"""One run of a handler for one event, and what would become of the event after it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consumers.event import Event
from consumers.outcome import Done, Failed, Outcome, Postponed, Skipped
from consumers.retry import Acknowledge, DeadReason, Decision, SetAside, TryAgain


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a handler for one event.

    Args:
        event: As the handler was given it.
        handler: The handler's name.
        outcome: How the run ended; none where the process died in it.
        decision: What becomes of the event; none where nothing was stored, since the process died.
        exception: What the handler raised, if it raised.
        started_seconds: When it began, in moved time since the begin of it all.
        ended_seconds: When it ended.
        note: What else is to be said of it.
    """

    event: Event
    handler: str
    outcome: Outcome | None
    decision: Decision | None
    exception: BaseException | None = None
    started_seconds: float = 0.0
    ended_seconds: float = 0.0
    note: str = ""

    @property
    def attempt(self) -> int:
        """Which attempt it was, from 1."""
        return self.event.attempt

    @property
    def done(self) -> bool:
        """Whether the handler has done its work, or committed it, and the event is settled."""
        return isinstance(self.decision, Acknowledge) and not self.skipped

    @property
    def skipped(self) -> bool:
        """Whether the event proves too little for the handler, so that it did not run."""
        return isinstance(self.outcome, Skipped)

    @property
    def failed(self) -> bool:
        """Whether the handler raised, or took too long; ``GiveUp`` and ``RetryLater`` apart."""
        return isinstance(self.outcome, Failed)

    @property
    def postponed(self) -> bool:
        """Whether the handler raised ``RetryLater``."""
        return isinstance(self.outcome, Postponed)

    @property
    def dead(self) -> bool:
        """Whether the event goes to the dead letters."""
        return isinstance(self.decision, SetAside)

    @property
    def reason(self) -> DeadReason | None:
        """Why it goes there, as a stable word."""
        return self.decision.reason if isinstance(self.decision, SetAside) else None

    @property
    def retry_in_seconds(self) -> float | None:
        """In how long it is tried again; none where it is not."""
        return self.decision.delay_seconds if isinstance(self.decision, TryAgain) else None

    @property
    def error(self) -> str:
        """Class and message of the failure, as a dead letter has it; empty where none failed."""
        return getattr(self.outcome, "error", "")

    @property
    def crashed(self) -> bool:
        """Whether the process died before the outcome was stored."""
        return self.decision is None

    def assert_done(self) -> None:
        """Fail unless the handler has done its work."""
        __tracebackhide__ = True
        self._expect("done", holds=self.done)

    def assert_skipped(self) -> None:
        """Fail unless the event was not for this handler."""
        __tracebackhide__ = True
        self._expect("skipped", holds=self.skipped)

    def assert_retried(self, in_seconds: float | None = None) -> None:
        """Fail unless the event is tried again.

        Args:
            in_seconds: In how long; none for any time.
        """
        __tracebackhide__ = True
        delay = self.retry_in_seconds
        in_time = in_seconds is None or (delay is not None and abs(delay - in_seconds) < 1e-6)
        wanted = "tried again" if in_seconds is None else f"tried again in {in_seconds:g} s"
        self._expect(wanted, holds=delay is not None and in_time)

    def assert_dead(self, reason: DeadReason | None = None) -> None:
        """Fail unless the event goes to the dead letters.

        Args:
            reason: Why; none for any reason.
        """
        __tracebackhide__ = True
        wanted = "dead" if reason is None else f"dead: {reason}"
        self._expect(wanted, holds=self.dead and reason in {None, self.reason})

    def said(self) -> str:
        """Say in a few words how it ended."""
        note = f" ({self.note})" if self.note else ""
        return f"{self._ended()}{self._then()}{note}"

    def _expect(self, wanted: str, *, holds: bool) -> None:
        __tracebackhide__ = True
        if not holds:
            about = f"{_short(self.handler)} on {self.event.type} {self.event.id!r}"
            raise AssertionError(
                f"{about}, attempt {self.attempt}: expected {wanted}, got {self.said()}"
            ) from self.exception

    def _ended(self) -> str:
        if self.outcome is None:
            return "the process died"
        name = {Done: "done", Skipped: "skipped"}.get(type(self.outcome))
        name = name or type(self.outcome).__name__.lower()
        return f"{name}: {self.error}" if self.error else name

    def _then(self) -> str:
        match self.decision:
            case None if self.outcome is not None:
                return ", then the process died"
            case TryAgain(delay):
                return f"; again in {delay:g} s"
            case SetAside(reason):
                return f"; dead: {reason}"
            case _:
                return ""


def table(runs: Sequence[Run]) -> str:
    """Show runs as a table, one a line."""
    rows = [("#", "from s", "to s", "event", "handler", "attempt", "outcome")]
    rows += [
        (
            str(number),
            f"{run.started_seconds:.3f}",
            f"{run.ended_seconds:.3f}",
            run.event.id,
            _short(run.handler),
            str(run.attempt),
            run.said(),
        )
        for number, run in enumerate(runs, 1)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _short(name: str) -> str:
    """Leave out where a handler is declared, which in a test is the test."""
    return name.rpartition("<locals>.")[2]


def _line(row: Iterable[str], widths: Iterable[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()
