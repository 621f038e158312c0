"""Bad lines: senders that are slow, that stop, that are cut off."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from relay.conformance.answer import Answer, unreached
from relay.conformance.check import Check
from relay.conformance.probe import Probe
from relay.conformance.wire import Wire, connected

PIECES = 10
STALLED = 20
AFTER_THEM = 5
# For what was sent before a cut to arrive before it.
CUT_SECONDS = 0.05


async def _slow(probe: Probe) -> None:
    head_event, body_event = probe.events(2)
    whole = probe.request(head_event)
    opening = len(probe.request(body_event)) - len(body_event.body)
    body = probe.request(body_event)
    answers = await asyncio.gather(
        _trickled(probe, b"", whole),
        _trickled(probe, body[:opening], body[opening:]),
    )
    seconds = f"{probe.target.slow_seconds:g} s"
    probe.must_accept(f"a delivery that came bit by bit in {seconds}", answers[0], head_event)
    probe.must_accept(f"a body that came bit by bit in {seconds}", answers[1], body_event)


async def _trickled(probe: Probe, at_once: bytes, slowly: bytes) -> Answer:
    step = -(-len(slowly) // PIECES)
    pieces = [slowly[at : at + step] for at in range(0, len(slowly), step)]
    try:
        async with connected(probe.target.address) as wire:
            await wire.send(at_once)
            await wire.trickle(pieces, probe.target.slow_seconds)
            return await wire.answer(probe.target.deadline_seconds)
    except OSError as error:
        return unreached(error)


async def _stalled(probe: Probe) -> None:
    async with AsyncExitStack() as stalled:
        for number in range(STALLED):
            request = probe.request(probe.event())
            # Some stop in the head, some in the body, some before they have said anything.
            said = request[: (0, 40, len(request) - 1)[number % 3]]
            try:
                wire = await stalled.enter_async_context(connected(probe.target.address))
            except OSError as error:
                answer = unreached(error)
                probe.wrong(f"connection {number + 1} of {STALLED}", answer, "a connection")
                return
            await wire.send(said)
        for event in probe.events(AFTER_THEM):
            sent = f"a good delivery beside {STALLED} connections that say nothing more"
            probe.must_accept(sent, await probe.deliver(event), event)
            if probe.findings:
                return


async def _cut(probe: Probe) -> None:
    for where, part in (("in its head", 0.3), ("in its body", 0.9)):
        for how, end in (("reset", Wire.cut), ("closed", Wire.finish)):
            event = probe.event()
            request = probe.request(event)
            await _broken_off(probe, request[: int(len(request) * part)], end)
            answer = await probe.deliver(event)
            sent = f"a good delivery whose first try was {how} {where}"
            probe.must_accept(sent, answer, event)
            if answer.says_duplicate:
                probe.wrong(sent, "a duplicate", "a new event")


async def _broken_off(probe: Probe, said: bytes, end: Callable[[Wire], None]) -> None:
    try:
        async with connected(probe.target.address) as wire:
            await wire.send(said)
            await asyncio.sleep(CUT_SECONDS)
            end(wire)
            await wire.answer(CUT_SECONDS)
    except OSError:
        return  # the delivery after it is what is judged


CHECKS = (
    Check(
        "slow-sender",
        "A delivery that comes bit by bit is accepted.",
        "Senders far away, and proxies under load, are slow.",
        _slow,
    ),
    Check(
        "stalled-senders",
        "Senders that stop half-way keep nobody else out.",
        "A few broken lines must not be an outage.",
        _stalled,
        is_alone=True,
    ),
    Check(
        "cut-connections",
        "A delivery that was cut off is not taken, and its retry is.",
        "What came half was neither verified nor stored.",
        _cut,
    ),
)
