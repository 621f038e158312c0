"""How a receiver answers: soon, silently, and with the right class of status in trouble."""

import asyncio
import time

from relay.conformance.answer import Answer
from relay.conformance.check import Check
from relay.conformance.event import Event
from relay.conformance.probe import Probe
from relay.conformance.verdict import NotObservable
from relay.conformance.wire import head

CANARY = "conformance-canary-7d4e"
TIMES = 5
MENDED_TRIES = 20


async def _prompt(probe: Probe) -> None:
    patience = probe.target.patience_seconds
    for event in probe.events(TIMES):
        begun = time.monotonic()
        answer = await probe.deliver(event)
        seconds = time.monotonic() - begun
        if answer.accepted and seconds > patience:
            probe.wrong(
                "a good delivery",
                f"{answer.shown()} after {seconds:.1f} s",
                f"2xx within {patience:g} s",
            )
            return
        probe.must_accept("a good delivery", answer, event)


async def _silent(probe: Probe) -> None:
    signer = probe.target.signer
    carried = [("x-conformance", CANARY)]
    for sent, signature in (
        ("a good delivery", None),
        ("a delivery signed for another body", signer.sign(b"another")),
        ("a delivery without a signature", ""),
        ("a delivery whose signature cannot be read", f"t=now,{CANARY}"),
    ):
        event = probe.event().changed(note=CANARY)
        now = int(time.time())
        expected = [signer.sign(event.body, at=now + late)[-64:] for late in (-1, 0, 1, 2)]
        answer = await probe.deliver(event, carried, signature=signature)
        for what in _told(answer, expected, signer.secret.reveal()):
            probe.wrong(sent, f"{answer.shown()}, with {what} in it", "an answer without it")
        for line in _inner(answer):
            probe.wrong(sent, f"{answer.shown()}, with {line} in it", "an answer without it")
    for sent, data in _broken(probe):
        answer = await probe.ask(data)
        if CANARY in _whole(answer):
            probe.wrong(sent, f"{answer.shown()}, with its text in it", "an answer without it")


def _broken(probe: Probe) -> list[tuple[str, bytes]]:
    """Give requests that cannot be read, whose text is nobody's business all the same."""
    address, canary = probe.target.address, CANARY.encode()
    chunked = head(address, [("transfer-encoding", "chunked")])
    return [
        ("a signed body that is no JSON", probe.request(probe.event().with_body(b"{" + canary))),
        ("a header that cannot be read", head(address, [(f"x {CANARY}", "1")])),
        ("a chunk size that is text", chunked + canary + b"\r\n"),
        ("a path that is nobody's", head(address.beside(CANARY), [("content-length", "0")])),
    ]


def _told(answer: Answer, expected: list[str], secret: bytes) -> list[str]:
    whole = _whole(answer)
    said = []
    if CANARY in whole:
        said.append("text of the delivery")
    if secret and secret.decode("utf-8", "replace") in whole:
        said.append("the secret")
    if any(signature in whole for signature in expected):
        said.append("the signature that would have been right")
    return said


def _inner(answer: Answer) -> list[str]:
    return ["a traceback"] if "Traceback (most recent" in _whole(answer) else []


def _whole(answer: Answer) -> str:
    """Give all that a sender may keep; a good signature's own header is no answer's business."""
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers)
    return f"{headers}\n\n{answer.body.decode('utf-8', 'replace')}"


async def _in_trouble(probe: Probe) -> None:
    trouble = probe.target.trouble
    if trouble is None:
        raise NotObservable("say --break and --mend, two commands, to have it judged")
    event = probe.event()
    try:
        # Half of what it does may be done when it fails.
        await trouble.begin()
        answer = await probe.deliver(event)
        bad = await probe.deliver(probe.event(), signature=probe.target.signer.sign(b"another"))
    finally:
        await trouble.end()
    if bad.accepted:
        probe.wrong("a delivery signed for another body at that time", bad, "4xx or 503")
    sent = "a good delivery while the receiver cannot store it"
    if answer.accepted:
        # It may have kept it elsewhere. A retry would hide that it has not.
        probe.accepted[event.mark] = sent
        await _mended(probe, probe.event(), "a good delivery once it can")
        if probe.target.observer is None:
            raise NotObservable(f"{sent} was accepted; whether it was kept is seen by --observe")
        return
    if not 500 <= answer.status < 600 and not answer.try_later:
        probe.wrong(sent, answer, "503 with Retry-After, or 2xx where it is kept")
    await _mended(probe, event, "the same delivery once it can")


async def _mended(probe: Probe, event: Event, sent: str) -> None:
    answer = await probe.deliver(event)
    for _ in range(MENDED_TRIES):
        if not 500 <= answer.status < 600:
            break
        await asyncio.sleep(probe.target.patience_seconds / MENDED_TRIES)
        answer = await probe.deliver(event)
    if answer.accepted:
        probe.accepted[event.mark] = sent
    else:
        probe.wrong(sent, answer, "2xx")


CHECKS = (
    Check(
        "prompt",
        "A good delivery is answered within the sender's patience.",
        "A sender that hears nothing tries again, and in the end switches the receiver off.",
        _prompt,
    ),
    Check(
        "silent",
        "No answer holds the secret, a right signature, a traceback or text of the delivery.",
        "Senders keep answers and show them to people, and strangers read those to their own.",
        _silent,
    ),
    Check(
        "own-trouble",
        "While it cannot store, a receiver answers 5xx, or keeps the event elsewhere.",
        "A 2xx for what is not kept loses the event, and so does a 4xx: the sender gives up.",
        _in_trouble,
        is_alone=True,
    ),
)
