"""What a check is: a name, what must hold, why, and how it is tried."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay.conformance.probe import Probe

Trial = Callable[[Probe], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a receiver must do.

    Args:
        name: By which it is chosen and reported.
        holds: What must hold, in one sentence.
        why: Why that matters, in one sentence.
        trial: Sends, and notes what was wrong.
        is_alone: It loads the receiver, or troubles it, so that no other may run beside it.
    """

    name: str
    holds: str
    why: str
    trial: Trial
    is_alone: bool = False
