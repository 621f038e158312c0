"""After a round: is every accepted event stored, and stored once?

What was sent and what is in the streams in, a verdict out. It knows nothing of rates.
"""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Truth:
    """What became of the events of one round.

    When time is up, some deliveries have been sent and not answered; they may be stored or not,
    and nobody was promised anything. So of the events that were sent, at most as many may be
    missing as there are deliveries without an answer 2xx.

    Args:
        sent: Distinct event ids that were sent.
        unanswered: Deliveries that were sent and not accepted.
        entries: Entries in the streams.
        distinct: Distinct event ids among them.
        foreign: Entries with an id that was not sent.
    """

    sent: int
    unanswered: int
    entries: int
    distinct: int
    foreign: int

    @property
    def missing(self) -> int:
        """How many events that were sent have no entry."""
        return self.sent - (self.distinct - self.foreign)

    def faults(self) -> list[str]:
        """Say what is wrong; nothing where all is well."""
        found = []
        if self.missing > self.unanswered:
            lost = self.missing - self.unanswered
            found.append(f"{lost} accepted events are not in the streams")
        if self.entries > self.distinct:
            found.append(f"{self.entries - self.distinct} events have a second entry")
        if self.foreign:
            found.append(f"{self.foreign} entries have an id that was not sent")
        return found


def look(sent: AbstractSet[bytes], unanswered: int, stored: Iterable[bytes]) -> Truth:
    """Compare what was sent with what is stored.

    Args:
        sent: Event ids.
        unanswered: How many deliveries were sent and not accepted.
        stored: The event id of each entry.
    """
    counted = Counter(stored)
    foreign = sum(number for event_id, number in counted.items() if event_id not in sent)
    return Truth(len(sent), unanswered, counted.total(), len(counted), foreign)
