"""Other paths and methods than a delivery has."""

from relay.conformance.answer import unreached
from relay.conformance.check import Check
from relay.conformance.probe import Probe
from relay.conformance.wire import connected, head

NOBODY = "conformance-nobody"


async def _unknown_path(probe: Probe) -> None:
    elsewhere = probe.target.address.beside(NOBODY)
    event = probe.event()
    answer = await probe.ask(probe.request(event, address=elsewhere))
    probe.must_refuse(f"a good delivery to {elsewhere.path}", answer, event)


async def _wrong_method(probe: Probe) -> None:
    for method in ("PUT", "PATCH", "DELETE", "BREW"):
        event = probe.event()
        answer = await probe.ask(probe.request(event, method=method))
        probe.must_refuse(f"a good delivery by {method}", answer, event, or_close=method == "BREW")
    event = probe.event()
    answer = await probe.ask(probe.request(event, signature="", method="GET"))
    if answer.accepted:
        probe.refused[event.mark] = "a GET without a signature"
    probe.must_cope("a GET", answer)


async def _head(probe: Probe) -> None:
    address, event = probe.target.address, probe.event()
    try:
        async with connected(address) as wire:
            await wire.send(head(address, method="HEAD"))
            first = await wire.answer(probe.target.deadline_seconds, bodiless=True)
            probe.must_cope("a HEAD", first)
            if (first.header("connection") or "").lower() == "close" or first.fate:
                return
            request = probe.request(event)
            answer = await wire.exchange(request, seconds=probe.target.deadline_seconds)
    except OSError as error:
        answer = unreached(error)
    if answer.closed:
        return  # whoever closes after it leaves nothing to be misread
    probe.must_accept("a good delivery after a HEAD on one connection", answer, event)


CHECKS = (
    Check(
        "unknown-path",
        "A delivery to a path that is nobody's is refused.",
        "A 2xx there would hide that a URL was mistyped, and every event would be lost.",
        _unknown_path,
    ),
    Check(
        "wrong-method",
        "A delivery by another method than POST is refused with 4xx.",
        "What is accepted but not foreseen is stored by nobody.",
        _wrong_method,
    ),
    Check(
        "head-request",
        "The answer to a HEAD has no body.",
        "A sender would take the body for the answer to its next delivery.",
        _head,
    ),
)
