"""The same event more than once: accepted every time, stored once."""

import asyncio
import time

from relay.conformance.answer import Answer
from relay.conformance.check import Check
from relay.conformance.event import Event
from relay.conformance.probe import Probe
from relay.conformance.verdict import NotObservable

AT_ONCE = (2, 10, 50)
POLL_SECONDS = 0.2
SEEN_SECONDS = 5.0


async def _together(probe: Probe) -> None:
    sets = []
    for number in AT_ONCE:
        event = probe.event()
        signature = probe.target.signer.sign(event.body)
        requests = [probe.request(event, signature=signature) for _ in range(number)]
        sent = f"the same delivery {number} times at once"
        sets.append((sent, event, await probe.together(requests)))
    await _judge_once(probe, sets)


async def _later(probe: Probe) -> None:
    event = probe.event()
    now = int(time.time())
    answers = []
    for at in (now - 2, now - 2, now - 1, now):  # a retry is signed anew, or it is not
        signature = probe.target.signer.sign(event.body, at=at)
        answers.append(await probe.deliver(event, signature=signature))
    await _judge_once(probe, [("the same delivery four times in a row", event, answers)])


async def _judge_once(probe: Probe, sets: list[tuple[str, Event, list[Answer]]]) -> None:
    for sent, event, answers in sets:
        for answer in answers:
            probe.must_accept(sent, answer, event)
    if probe.findings:
        return
    if probe.target.observer is not None:
        await _judge_by_observer(probe, {event.mark: sent for sent, event, _ in sets})
        return
    if not all(any(answer.says_duplicate for answer in answers) for _, _, answers in sets):
        raise NotObservable(
            "all were accepted; whether once, is seen by --observe, --redis-url or answers that "
            'say "duplicate": true'
        )
    for sent, _, answers in sets:
        new = sum(not answer.says_duplicate for answer in answers)
        if new != 1:
            probe.wrong(sent, f"{new} times as new", "once as new")


async def _judge_by_observer(probe: Probe, sent: dict[str, str]) -> None:
    observer = probe.target.observer
    assert observer is not None  # noqa: S101 - the caller has looked
    deadline = time.monotonic() + SEEN_SECONDS
    seen = await observer.counts()
    while any(not seen[mark] for mark in sent) and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        seen = await observer.counts()
    # One more look: a second copy may come a moment after the first.
    await asyncio.sleep(POLL_SECONDS)
    seen = await observer.counts()
    for mark, words in sent.items():
        if seen[mark] != 1:
            probe.wrong(words, f"stored {seen[mark]} times", "stored once")


CHECKS = (
    Check(
        "duplicates-at-once",
        "The same delivery many times at once is accepted each time, and stored once.",
        "Senders repeat what they have no answer to, while the first is still on its way.",
        _together,
    ),
    Check(
        "duplicates-later",
        "The same delivery again, signed anew or not, is accepted and not stored again.",
        "A refusal has the sender try again; a second copy is handled twice.",
        _later,
    ),
)
