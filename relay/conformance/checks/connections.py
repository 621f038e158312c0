"""Connections that carry more than one request."""

from collections.abc import Sequence

from relay.conformance.answer import Answer, unreached
from relay.conformance.check import Check
from relay.conformance.probe import Probe
from relay.conformance.wire import connected


async def _kept(probe: Probe) -> None:
    events = probe.events(4)
    try:
        async with connected(probe.target.address) as wire:
            for number, event in enumerate(events, 1):
                request = probe.request(event)
                answer = await wire.exchange(request, seconds=probe.target.deadline_seconds)
                sent = f"delivery {number} on one connection"
                probe.must_accept(sent, answer, event)
                if (answer.header("connection") or "").lower() == "close":
                    return
    except OSError as error:
        probe.wrong("a connection", unreached(error), "a connection")


async def _pipelined(probe: Probe) -> None:
    good, bad, last = probe.events(3)
    wrong = probe.target.signer.sign(b"another body")
    requests = [probe.request(good), probe.request(bad, signature=wrong), probe.request(last)]
    answers = await answers_to(probe, b"".join(requests), 3)
    probe.must_accept("the first of three requests sent at once", answers[0], good)
    if _ends(answers[0]) or len(answers) < 2 or answers[1].closed:
        return  # the sender tries the others again
    probe.must_refuse("the second of them, signed wrongly", answers[1], bad)
    if _ends(answers[1]) or len(answers) < 3 or answers[2].closed:
        return
    probe.must_accept("the third of them", answers[2], last)


def _ends(answer: Answer) -> bool:
    return (answer.header("connection") or "").lower() == "close"


async def answers_to(
    probe: Probe, sent: bytes, number: int, *, finish: bool = False
) -> Sequence[Answer]:
    """Send bytes on one connection, and give its answers until one fails.

    Args:
        probe: Whose receiver.
        sent: Requests, or what looks like some.
        number: How many answers there may be.
        finish: Close the sending side after them.
    """
    answers: list[Answer] = []
    try:
        async with connected(probe.target.address) as wire:
            await wire.send(sent)
            if finish:
                wire.finish()
            while len(answers) < number and not (answers and answers[-1].fate):
                seconds = probe.target.deadline_seconds if not answers else _next_seconds(probe)
                answers.append(await wire.answer(seconds))
    except OSError as error:
        answers.append(unreached(error))
    return answers


def _next_seconds(probe: Probe) -> float:
    """What comes after a first answer comes soon, if it comes."""
    return probe.target.patience_seconds


CHECKS = (
    Check(
        "kept-connection",
        "Deliveries one after another on one connection are all accepted.",
        "Senders keep connections; a request must not be read as part of the one before it.",
        _kept,
    ),
    Check(
        "pipelined",
        "Requests sent without waiting are answered each for itself, in their order.",
        "A sender would take the answer to one delivery for that to another.",
        _pipelined,
    ),
)
