"""Where an endpoint's secrets stand, in words.

What is configured, what the store says of it and the time come in; sentences go out, and each of
them is true of what was looked at.
"""

from collections.abc import Sequence
from typing import Literal

from relay.commands.secrets.known import Known
from relay.contract.display import time_text
from relay.contract.printable import printable
from relay.usage import EndpointUsage, Outcome, together

# A gateway says once a minute what it holds; a batch may be on its way for a while.
HELD_MS = 75_000
_UNITS = ((86_400, "days"), (3600, "h"), (60, "min"))

Loaded = Literal["all", "some", "none", "unknown"]


def ago(at_ms: int, now_ms: int) -> str:
    """Say how long ago something was, in one unit."""
    seconds = max(0, now_ms - at_ms) // 1000
    # Below two of a unit the smaller one says more.
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def counts(known: Known, now_ms: int) -> str:
    """Say whether a secret counts, and from when or until when."""
    reference = known.reference
    begin, end = reference.not_before_ms, reference.not_after_ms
    if begin is not None and now_ms < begin:
        return f"not yet: from {time_text(begin)}"
    if end is not None:
        return f"{'until' if now_ms <= end else 'no more: until'} {time_text(end)}"
    return "yes"


def loaded(known: Known, usage: EndpointUsage, now_ms: int) -> Loaded:
    """Say how many of the gateways that run have a secret, as far as they have said so."""
    held = [each for each in usage.held if now_ms - each.last_ms <= HELD_MS]
    if not held or known.fingerprint is None:
        return "unknown"
    having = sum(known.fingerprint in each.fingerprints for each in held)
    if having == len(held):
        return "all"
    return "some" if having else "none"


def say_loaded(known: Known, usage: EndpointUsage, now_ms: int) -> str:
    """Say it in a sentence."""
    sentences = {
        "all": f"All gateways that were heard within the last {HELD_MS // 1000} s have loaded the "
        "new one.",
        "some": "A gateway has loaded the new one, and another had not within the last "
        f"{HELD_MS // 1000} s.",
        "none": "No gateway has loaded the new one yet: run `relay reload`.",
        "unknown": "Whether a gateway has loaded the new one is not known: none has said "
        f"within the last {HELD_MS // 1000} s what it holds.",
    }
    if known.fingerprint is None:
        return "Whether a gateway has loaded the new one is not known: it cannot be read here."
    return sentences[loaded(known, usage, now_ms)]


def say_standing(knowns: Sequence[Known], usage: EndpointUsage, now_ms: int) -> str:
    """Say in one sentence of an endpoint which of its secrets are used."""
    if not knowns:
        return "There is no secret."
    new, *old = knowns
    if not old:
        said = f"There is one secret, {say_used(new.used(usage), now_ms)}"
    else:
        used = [each for each in (known.used(usage) for known in old) if each is not None]
        which = "the old one" if len(old) == 1 else f"the {len(old)} old ones"
        # Of several only the last use matters: that of any of them.
        said = (
            f"The new one ({printable(new.name)}) was {say_used(new.used(usage), now_ms)}, "
            f"{which} {say_used(together(used), now_ms)}"
        )
    if any(known.counts_at(now_ms) for known in knowns):
        return f"{said}."
    return f"{said}; none counts now, so every delivery is refused."


def say_used(used: Outcome | None, now_ms: int) -> str:
    """Say when a secret was last used, as the end of a sentence."""
    return "never used" if used is None else f"last used {ago(used.last_ms, now_ms)}"


def say_often(used: Outcome | None, now_ms: int) -> str:
    """Say how often a secret was used, and when first and last."""
    if used is None:
        return "never used"
    first, last = ago(used.first_ms, now_ms), ago(used.last_ms, now_ms)
    times = "once" if used.count == 1 else f"{used.count:,} times"
    return f"used {times}, first {first}, last {last}"
