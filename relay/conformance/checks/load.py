"""Many deliveries at the same moment."""

import asyncio

from relay.conformance.check import Check
from relay.conformance.probe import Probe
from relay.conformance.verdict import NotJudged

STEPS = (1, 10, 100)
ROUNDS = 5
LONGEST_PAUSE_SECONDS = 5.0
# Where it is not said, or said as a date.
USUAL_PAUSE_SECONDS = 1.0


async def _at_once(probe: Probe) -> None:
    most = probe.target.at_once
    for number in [step for step in STEPS if step < most] + [most]:
        await _burst(probe, number)
        if probe.findings:
            return


async def _burst(probe: Probe, number: int) -> None:
    """Send many at once; what is to come again later is sent again, as a sender would."""
    sent = f"one of {number} good deliveries at once"
    left = probe.events(number)
    for _ in range(ROUNDS):
        answers = await probe.together([probe.request(event) for event in left])
        again = []
        for event, answer in zip(left, answers, strict=True):
            if answer.try_later:
                again.append((event, answer))
            else:
                probe.must_accept(sent, answer, event)
        if probe.findings:
            del probe.findings[1:]  # a thousand times the same says no more
            return
        if not again:
            return
        left = [event for event, _ in again]
        said = [answer.pause_seconds for _, answer in again]
        pauses = [USUAL_PAUSE_SECONDS if each is None else each for each in said]
        await asyncio.sleep(min(LONGEST_PAUSE_SECONDS, max(pauses)))
    raise NotJudged(f"{len(left)} of {number} deliveries at once were put off {ROUNDS} times")


CHECKS = (
    Check(
        "many-at-once",
        "Up to a thousand deliveries at once are each accepted, or put off with Retry-After.",
        "Senders deliver what has piled up in one burst; a refusal loses events.",
        _at_once,
        is_alone=True,
    ),
)
