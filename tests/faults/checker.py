"""Pure: what senders and handlers wrote down and what the store holds in, broken promises out."""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Left:
    """What a scenario has left behind.

    Args:
        intended: Ids of the events that a sender meant to send.
        accepted: Ids of those that were answered 200.
        stored: The event id of each entry, of all streams.
        handled: Ids of the events that a handler has done with; none where nobody handled.
    """

    intended: AbstractSet[str]
    accepted: AbstractSet[str]
    stored: Sequence[str]
    handled: AbstractSet[str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What the checker has found; each set holds event ids.

    Args:
        lost: Answered 200, and in no stream.
        doubled: With more than one entry.
        phantom: In a stream, and never sent.
        unhandled: Answered 200, and handled by nobody.
    """

    lost: AbstractSet[str]
    doubled: AbstractSet[str]
    phantom: AbstractSet[str]
    unhandled: AbstractSet[str]


def judge(left: Left) -> Found:
    """Compare what was promised with what is there."""
    counted = Counter(left.stored)
    handled = left.accepted if left.handled is None else left.handled
    return Found(
        lost=left.accepted - counted.keys(),
        doubled={event_id for event_id, count in counted.items() if count > 1},
        phantom=counted.keys() - left.intended,
        unhandled=left.accepted - handled,
    )


def say(found: Found) -> list[str]:
    """Say what was found, a sentence for each promise that was broken."""
    sets = {name: getattr(found, name) for name in ("lost", "doubled", "phantom", "unhandled")}
    return [
        f"{len(ids)} {name}: {', '.join(sorted(ids)[:SHOWN])}" for name, ids in sets.items() if ids
    ]
