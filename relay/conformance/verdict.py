"""What a check has found out: the words of the report."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What is known of a receiver after a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_OBSERVABLE = "not observable"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a receiver did wrongly.

    Args:
        sent: What it was sent, in a few words.
        answered: What it did.
        expected: What it should have done.
    """

    sent: str
    answered: str
    expected: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check.

    Args:
        check: Its name.
        verdict: The worst that can be said.
        findings: What was wrong, if it failed.
        reason: Why it was not judged or cannot be observed, else empty.
    """

    check: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reason: str = ""


class NotJudged(Exception):
    """The receiver says that it cannot take deliveries now, so nothing is known of it."""


class NotObservable(Exception):
    """What happened cannot be seen from outside; the message says what would make it seen."""
