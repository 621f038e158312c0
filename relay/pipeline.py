"""The whole story of a delivery on one screen: verify, identify, admit, append."""

from dataclasses import dataclass

from relay.append import Appender
from relay.contract.event import Appended, Duplicate, Event
from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.identify import identify
from relay.verify import verify


@dataclass(frozen=True, slots=True)
class Filtered:
    """The delivery is genuine, but its endpoint is configured not to take it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a delivery that was answered 200.

    Args:
        event_id: The event it carried.
        result: Whether that was stored, known, or not wanted.
    """

    event_id: str
    result: Appended | Duplicate | Filtered


async def accept(delivery: Delivery, appender: Appender) -> Accepted:
    """Take a delivery from the wire into its stream.

    Raises:
        DeliveryRefused: It was not stored; the error says what to answer.
    """
    verified = verify(delivery)
    identified = identify(verified)
    if not _admitted(identified.event, delivery.endpoint):
        return Accepted(identified.event.id, Filtered())
    result = await appender.append(identified)
    return Accepted(identified.event.id, result)


def _admitted(event: Event, endpoint: Endpoint) -> bool:
    if endpoint.accounts and event.account not in endpoint.accounts:
        return False
    if not endpoint.event_types:
        return True
    return any(pattern.matches(endpoint.name, event.type) for pattern in endpoint.event_types)
