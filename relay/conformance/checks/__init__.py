"""All checks, by theme."""

from relay.conformance.check import Check
from relay.conformance.checks import (
    answers,
    bodies,
    connections,
    content,
    framing,
    load,
    paths,
    repeats,
    senders,
    signatures,
    times,
)

CHECKS: tuple[Check, ...] = (
    *signatures.CHECKS,
    *times.CHECKS,
    *repeats.CHECKS,
    *content.CHECKS,
    *bodies.CHECKS,
    *senders.CHECKS,
    *connections.CHECKS,
    *framing.CHECKS,
    *paths.CHECKS,
    *answers.CHECKS,
    *load.CHECKS,
)
