"""What readers read, and where it goes."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from consumers.dispatch import Routes
from consumers.rooms import House
from relay.contract.stream import Stream

RestoreGroups = Callable[[Iterable[Stream]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sources:
    """The streams of a process, which all its readers share.

    Args:
        routes: Knows which stream leads to which room.
        house: Knows what is in hand.
        restore_groups: Creates the groups that are missing.
    """

    routes: Routes
    house: House
    restore_groups: RestoreGroups
