"""The whole story of a delivery on one screen: verify, identify, admit, append."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from relay.contract.event import Appended, Duplicate, Event, IdentifiedEvent, Spooled
from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.identify import identify
from relay.rate import Rate
from relay.verify import verify


class Filtered(msgspec.Struct, frozen=True):
    """The delivery is genuine, but its endpoint is configured not to take it."""


class Accepted(msgspec.Struct, frozen=True):
    """What became of a delivery that was answered 200.

    Args:
        event_id: The event it carried.
        result: Whether that was stored, known, kept on the disk, or not wanted.
    """

    event_id: str
    result: Appended | Duplicate | Spooled | Filtered


class Appends(Protocol):
    """Stores events: the appender, or what stands in front of it."""

    def append(
        self, identified: IdentifiedEvent, /
    ) -> Awaitable[Appended | Duplicate] | Awaitable[Appended | Duplicate | Spooled]:
        """Store an event unless it was stored before."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Takes deliveries from the wire into their streams.

    Args:
        appender: Stores events.
        rates: Of the endpoints that have one, by name.
    """

    appender: Appends
    rates: Mapping[str, Rate]

    async def accept(self, delivery: Delivery) -> Accepted:
        """Take one delivery.

        Raises:
            DeliveryRefused: It was not stored; the error says what to answer.
        """
        verified = verify(delivery)
        identified = identify(verified)
        if not _admitted(identified.event, delivery.endpoint):
            return Accepted(identified.event.id, Filtered())
        if self.rates and (rate := self.rates.get(delivery.endpoint.name)):
            rate.take()
        result = await self.appender.append(identified)
        return Accepted(identified.event.id, result)


def _admitted(event: Event, endpoint: Endpoint) -> bool:
    if endpoint.accounts and event.account not in endpoint.accounts:
        return False
    if not endpoint.event_types:
        return True
    return any(pattern.matches(endpoint.name, event.type) for pattern in endpoint.event_types)
