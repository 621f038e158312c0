"""Entry in, what its handler is given out: an event, or why there is none."""

from collections.abc import Callable

from consumers.entry import HeldEntry
from consumers.event import Effects, Event, Fields
from consumers.outcome import Poisonous, Unreadable
from relay.contract import event as contract
from relay.contract.errors import UnreadableEntry

# Reads an entry at once, or checks that what every event has can be read when it is asked for.
Read = Callable[[Fields], contract.Event | Fields]


def prepare(
    entry: HeldEntry, effects: Effects, began: float, read: Read
) -> Event | Unreadable | Poisonous:
    """Make of an entry what its handler is given.

    Args:
        entry: Pending under this process.
        effects: What its handler does in the store.
        began: When its first run in this group began, seconds since the epoch.
        read: `relay.contract.entry.checked`, or ``decode`` where all of it must be readable.
    """
    if entry.suspicion.is_poison:
        return Poisonous(entry.suspicion.strikes)
    try:
        stored = read(entry.fields)
    except UnreadableEntry as error:
        return Unreadable(str(error))
    return Event(
        stored,
        entry_id=entry.origin_id,
        attempt=entry.history.attempts + 1,
        effects=effects,
        first_seen=began,
        lease=entry.lease,
        tag=entry.stream.tag,
    )
