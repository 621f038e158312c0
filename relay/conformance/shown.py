"""The report in rows and in words; nothing of a receiver's answers but what was made printable."""

from collections import Counter
from collections.abc import Iterator, Sequence

from relay.conformance.check import Check
from relay.conformance.run import Report
from relay.conformance.verdict import Result, Verdict

# What a run that proves nothing must not be taken for.
WRONG = (Verdict.FAILED, Verdict.NOT_JUDGED)


def rows(report: Report, checks: Sequence[Check]) -> list[dict[str, object]]:
    """Give an object for each check, as ``--json`` shows it."""
    by_name = {check.name: check for check in checks}
    return [_row(result, by_name[result.check]) for result in report.results]


def _row(result: Result, check: Check) -> dict[str, object]:
    return {
        "check": result.check,
        "verdict": str(result.verdict),
        "holds": check.holds,
        "why": check.why,
        "reason": result.reason,
        "findings": [
            {"sent": found.sent, "answered": found.answered, "expected": found.expected}
            for found in result.findings
        ],
    }


def explained(report: Report, checks: Sequence[Check]) -> Iterator[str]:
    """Say of each check that did not pass what it was sent, and why that matters."""
    by_name = {check.name: check for check in checks}
    for result in report.results:
        check = by_name[result.check]
        if result.verdict is Verdict.FAILED:
            yield f"\n{check.name}: {check.holds}\n  {check.why}"
            for found in result.findings:
                yield f"  sent      {found.sent}"
                yield f"  answered  {found.answered}"
                yield f"  expected  {found.expected}"
        elif result.reason:
            yield f"\n{check.name}: {result.verdict}: {result.reason}"


def counted(report: Report) -> str:
    """Say how many checks came to which end."""
    counts = Counter(result.verdict for result in report.results)
    parts = [f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]]
    return f"{', '.join(parts)}; {report.sent} deliveries were sent"
