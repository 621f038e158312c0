"""When it was signed: what is too old, too new, or has another time than was signed."""

import time
from datetime import UTC, datetime, timedelta

from relay.conformance.check import Check
from relay.conformance.probe import Probe

DAY_SECONDS = 24 * 3600
# Clocks differ; what lies this close to the tolerance is not judged.
MARGIN_SECONDS = 60


async def _stale(probe: Probe) -> None:
    tolerance = probe.target.tolerance_seconds
    now = int(time.time())
    for sent, at in (
        (f"a delivery signed {tolerance + MARGIN_SECONDS} s ago", now - tolerance - MARGIN_SECONDS),
        ("a delivery signed long ago", now - tolerance - DAY_SECONDS),
        ("a delivery signed in 1970", 0),
    ):
        event = probe.event()
        signature = probe.target.signer.sign(event.body, at=at)
        probe.must_refuse(sent, await probe.deliver(event, signature=signature), event)


async def _future(probe: Probe) -> None:
    tolerance = probe.target.tolerance_seconds
    now = int(time.time())
    for sent, at in (
        (
            f"a delivery signed {tolerance + MARGIN_SECONDS} s ahead",
            now + tolerance + MARGIN_SECONDS,
        ),
        ("a delivery signed tomorrow", now + tolerance + DAY_SECONDS),
        ("a delivery signed in the year 5138", 10**11),
    ):
        event = probe.event()
        signature = probe.target.signer.sign(event.body, at=at)
        probe.must_refuse(sent, await probe.deliver(event, signature=signature), event)


async def _skewed(probe: Probe) -> None:
    half = probe.target.tolerance_seconds // 2
    now = int(time.time())
    for sent, at in (
        (f"a delivery signed {half} s ago", now - half),
        (f"a delivery signed {half} s ahead", now + half),
    ):
        event = probe.event()
        signature = probe.target.signer.sign(event.body, at=at)
        probe.must_accept(sent, await probe.deliver(event, signature=signature), event)


async def _tampered(probe: Probe) -> None:
    now = int(time.time())
    for sent, signed, claimed in (
        ("a delivery that says it was signed 30 s later than it was", now - 30, now),
        ("a delivery signed two hours ago that says it is new", now - 7200, now),
    ):
        event = probe.event()
        signature = probe.target.signer.sign(event.body, at=signed)
        changed = signature.replace(f"t={signed}", f"t={claimed}")
        probe.must_refuse(sent, await probe.deliver(event, signature=changed), event)


async def _reordered(probe: Probe) -> None:
    newer, older = probe.event(), probe.event()
    earlier = datetime.now(UTC) - timedelta(hours=1)
    text = earlier.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    older = older.changed(**{probe.target.maker.key("time"): text})
    probe.must_accept("a good delivery", await probe.deliver(newer), newer)
    answer = await probe.deliver(older)
    probe.must_accept("then one of an event an hour older", answer, older)
    if answer.says_duplicate:
        probe.wrong("then one of an event an hour older", "a duplicate", "a new event")


CHECKS = (
    Check(
        "stale-timestamp",
        "A signature older than the tolerance is refused.",
        "A delivery that somebody has recorded could be played again for ever.",
        _stale,
    ),
    Check(
        "future-timestamp",
        "A signature from farther ahead than the tolerance is refused.",
        "It would stay good for longer than ids are remembered.",
        _future,
    ),
    Check(
        "skewed-clock",
        "A signature within the tolerance is accepted, ahead of our clock too.",
        "Two clocks never agree, and a refusal loses the event.",
        _skewed,
    ),
    Check(
        "tampered-timestamp",
        "A delivery with another time than was signed is refused.",
        "Otherwise the age of a signature means nothing.",
        _tampered,
    ),
    Check(
        "reordered",
        "An event that comes after a newer one is accepted.",
        "Senders do not keep order, least of all when they try again.",
        _reordered,
    ),
)
