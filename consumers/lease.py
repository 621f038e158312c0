"""Whether this process still holds what it was given.

A process that stalls for longer than the dead time loses its entries to others without being
told. So whoever is about to act on an entry can ask.
"""

from collections.abc import Callable
from dataclasses import dataclass


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to handle an entry, as far as this process knows.

    Args:
        is_lost: Says whether others may have taken the entry over.
        fence: Rises with each owner of an ordered stream, so that whoever stores an effect can
            refuse a former owner's; none where the stream has no order.
    """

    is_lost: Callable[[], bool] = _never
    fence: int | None = None


UNBOUNDED = Lease()
