"""What is said of a refusal: its cause, what to do, and each step of the verification in words."""

from dataclasses import dataclass
from typing import Literal

from relay.contract.errors import RefusedSignature

Outcome = Literal["ok", "failed", "not reached"]
# "not_judged": a part of the request is not there, or it was refused for something else.
Verdict = RefusedSignature | Literal["passes", "not_judged"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a verification.

    Args:
        name: What was looked at, in a few words.
        outcome: What came of it.
        text: What was compared. It holds no secret and no signature, but names of the sender's, cut
            short; a command makes them fit for a terminal.
    """

    name: str
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a delivery was refused.

    Args:
        cause: In one sentence.
        remedy: What to do, in one or two.
    """

    cause: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A refusal in words.

    Args:
        cause: In one sentence.
        remedy: What to do.
        verdict: The reason for which it would be refused now, or that it passes.
        steps: What was done to find that out, in order.
    """

    cause: str
    remedy: str
    verdict: Verdict
    steps: tuple[Step, ...] = ()
