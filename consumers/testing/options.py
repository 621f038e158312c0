"""How a run in memory is to go: what a test may say of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from consumers.testing.memory import Memory, OnCommit

# Longer than any wait of a policy, of which RetryLater has the longest.
WITHIN_SECONDS = 90 * 86_400.0
MOST_RUNS = 10_000


class RunOptions(TypedDict, total=False):
    """What may be said of a run.

    Keys:
        resources: Stand-ins by name; what is declared under these names is not opened.
        chance: What decides the jitter of delays, from 0 (the longest delay, the default) up to 1;
            or a function that gives such numbers, as ``random.Random(7).random``.
        now: The time of day at which it begins, seconds since the epoch; by default when the last
            of the events was received.
        redeliver: Give each event a second time after it was done, as another entry.
        crash_before_ack: How often the process dies after a run has ended and before its outcome
            is stored; for each event, or by event id.
        crash_in_steps: Names of steps of ``event.once`` in which the process dies once for each
            event: after their effect, before their end is written.
        on_commit: Stands for the server in ``event.commit``: takes script, keys and arguments, and
            gives the script's reply.
        memory: What earlier runs have left, to go on with.
        within_seconds: At the latest when it ends, in its moved time; 90 days by default.
        most_runs: After how many runs of handlers it ends; 10,000 by default.
    """

    resources: Mapping[str, Any]
    chance: float | Callable[[], float]
    now: float | None
    redeliver: bool
    crash_before_ack: int | Mapping[str, int]
    crash_in_steps: Sequence[str]
    on_commit: OnCommit | None
    memory: Memory | None
    within_seconds: float
    most_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The same as `RunOptions`, with the usual values."""

    resources: Mapping[str, Any] = field(default_factory=dict)
    chance: float | Callable[[], float] = 0.0
    now: float | None = None
    redeliver: bool = False
    crash_before_ack: int | Mapping[str, int] = 0
    crash_in_steps: Sequence[str] = ()
    on_commit: OnCommit | None = None
    memory: Memory | None = None
    within_seconds: float = WITHIN_SECONDS
    most_runs: int = MOST_RUNS

    def crashes_of(self, event_id: str) -> int:
        """Say how often the process dies after a run for an event."""
        planned = self.crash_before_ack
        return planned.get(event_id, 0) if isinstance(planned, Mapping) else int(planned)

    def draw(self) -> float:
        """Give the number that decides the next delay."""
        return self.chance() if callable(self.chance) else self.chance
