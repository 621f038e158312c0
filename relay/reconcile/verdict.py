"""What a comparison came to."""

from dataclasses import dataclass, field
from typing import Literal

from relay.reconcile.fold import Undelivered
from relay.reconcile.refusals import RefusedRow

State = Literal["lost", "refused", "pending"]


@dataclass(frozen=True, slots=True)
class Missed:
    """An event that its sender did not deliver, and that is not here.

    Args:
        event: What the sender's log says of it.
        state: ``lost``; ``refused``, where a row of the refusal log has its id; ``pending``, where
            its sender may still try again.
        account: Whose event it is, where anything says so.
        row: Of the refusal log.
        note: What is not sure of it, in a few words.
    """

    event: Undelivered
    state: State
    account: str | None = None
    row: RefusedRow | None = None
    note: str = ""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What became of the events of an endpoint since a time.

    Args:
        endpoint: Its name here.
        unipile_ids: What the sender calls its endpoints.
        since_ms: From when on, ms since the epoch.
        oldest_ms: Of the oldest attempt that the log had since then; none where it had none.
        attempts: How many there were.
        events: Of how many events.
        lost: Those that are nowhere here, the oldest first.
        refused: Those of which the refusal log has a row.
        pending: Those that may still come.
        filtered: How many the endpoint would have dropped.
        unproved: Of how many only something is here that proved nothing.
        doubts: What could not be looked at, a sentence for each; what it holds counts as not here.
        may_hide_a_loss: Whether for one of the doubts an event may be lost that is not listed.
    """

    endpoint: str
    unipile_ids: tuple[str, ...]
    since_ms: int
    oldest_ms: int | None = None
    attempts: int = 0
    events: int = 0
    lost: list[Missed] = field(default_factory=list)
    refused: list[Missed] = field(default_factory=list)
    pending: list[Missed] = field(default_factory=list)
    filtered: int = 0
    unproved: int = 0
    doubts: list[str] = field(default_factory=list)
    may_hide_a_loss: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing was lost or refused, for all that is known."""
        return not (self.lost or self.refused or self.may_hide_a_loss)

    def hides(self, doubt: str) -> None:
        """Add a doubt for which an event may be lost that is not listed."""
        self.doubts.append(doubt)
        self.may_hide_a_loss = True
