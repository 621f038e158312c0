"""Runs the checks: a good delivery first, then those that disturb nobody, then the others."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from relay.conformance.check import Check
from relay.conformance.observe import ObservingFailed
from relay.conformance.probe import Count, Probe, TooMany
from relay.conformance.target import Target
from relay.conformance.verdict import Finding, NotJudged, NotObservable, Result, Verdict

# Side by side they take less time, and little enough of the receiver to disturb no other.
TOGETHER = 6
SEEN_SECONDS = 5.0
POLL_SECONDS = 0.2

Told = Callable[[Result], None]


class Unreachable(Exception):
    """Nobody answers at the receiver's address."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a whole run has found.

    Args:
        results: One for each check, in the order of the checks.
        sent: How many deliveries were sent.
    """

    results: tuple[Result, ...]
    sent: int


async def examine(target: Target, checks: Sequence[Check], *, count: Count | None = None) -> Report:
    """Run checks against a receiver.

    A good delivery goes ahead of them: where even that is not accepted, no refusal says anything.

    Args:
        target: The receiver.
        checks: Which.
        count: Bounds the deliveries.

    Raises:
        Unreachable: Nobody answers there at all.
        ObservingFailed: What was stored cannot be seen, though it was asked for.
    """
    count = count or Count()
    if target.observer is not None:
        await target.observer.counts()  # it shall fail before anything is sent
    # A name of its own: its event is not that of the check.
    plain = Probe(target, "first", count)
    reason = await _hindrance(plain)
    if reason:
        return Report(tuple(_unjudged(check, plain, reason) for check in checks), count.sent)
    room = asyncio.Semaphore(TOGETHER)
    probes = {check.name: Probe(target, check.name, count) for check in checks}

    async def beside_others(check: Check) -> Result:
        async with room:
            return await _try(check, probes[check.name])

    beside = [check for check in checks if not check.is_alone]
    found = await asyncio.gather(*map(beside_others, beside))
    results = {result.check: result for result in found}
    for check in checks:
        if check.is_alone:
            results[check.name] = await _try(check, probes[check.name])
    seen = await _look_behind(target, list(probes.values()))
    return Report(
        tuple(_with(results[check.name], seen.get(check.name, [])) for check in checks), count.sent
    )


async def _hindrance(plain: Probe) -> str:
    """Send a good delivery; say why nothing could be judged, if so."""
    event = plain.event()
    answer = await plain.deliver(event)
    if answer.unreached:
        raise Unreachable(answer.fate)
    try:
        plain.must_accept("a good delivery", answer, event)
    except NotJudged as reason:
        return str(reason)
    return f"a good delivery was answered {answer.shown()}" if plain.findings else ""


def _unjudged(check: Check, plain: Probe, reason: str) -> Result:
    if check.name == "plain" and plain.findings:
        return Result(check.name, Verdict.FAILED, tuple(plain.findings))
    return Result(check.name, Verdict.NOT_JUDGED, reason=reason)


async def _try(check: Check, probe: Probe) -> Result:
    verdict, reason = Verdict.PASSED, ""
    try:
        await check.trial(probe)
    except NotJudged as hindrance:
        verdict, reason = Verdict.NOT_JUDGED, str(hindrance)
    except NotObservable as hindrance:
        verdict, reason = Verdict.NOT_OBSERVABLE, str(hindrance)
    except ObservingFailed as hindrance:
        verdict, reason = Verdict.NOT_JUDGED, str(hindrance)
    except TooMany:
        verdict, reason = Verdict.NOT_JUDGED, "a run sends no more deliveries than this"
    if probe.findings:
        return Result(check.name, Verdict.FAILED, tuple(probe.findings))
    return Result(check.name, verdict, reason=reason)


async def _look_behind(target: Target, probes: Sequence[Probe]) -> dict[str, list[Finding]]:
    """Find what was answered 2xx and is not stored, or refused and is."""
    if target.observer is None:
        return {}
    accepted = {mark for probe in probes for mark in probe.accepted}
    deadline = asyncio.get_running_loop().time() + SEEN_SECONDS
    seen = await target.observer.counts()
    while accepted - seen.keys() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        seen = await target.observer.counts()
    found: dict[str, list[Finding]] = {}
    for probe in probes:
        lost = [words for mark, words in probe.accepted.items() if not seen[mark]]
        taken = [words for mark, words in probe.refused.items() if seen[mark]]
        findings = [Finding(words, "2xx, but it is not stored", "stored") for words in lost[:1]]
        findings += [Finding(words, "a refusal, but it is stored", "not") for words in taken[:1]]
        if findings:
            found[probe.check] = findings
    return found


def _with(result: Result, findings: Sequence[Finding]) -> Result:
    if not findings:
        return result
    return replace(
        result, verdict=Verdict.FAILED, findings=(*result.findings, *findings), reason=""
    )


__all__ = ["ObservingFailed", "Report", "Unreachable", "examine"]
