"""The whole story of a delivery on one screen: verify, identify, filter, append."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from relay.contract.event import Appended, Duplicate, IdentifiedEvent, Spooled
from relay.delivery import Delivery, VerifiedDelivery
from relay.endpoint import Endpoint, Secret
from relay.filters import diverted, fitting
from relay.handshake import Answered, Handshakes
from relay.identify import identify, identify_each
from relay.metrics import Metrics
from relay.rate import Rate
from relay.several import append_all, with_whole
from relay.verify import verify

EVENTS_PER_TURN = 64


class Filtered(msgspec.Struct, frozen=True):
    """The delivery is genuine, but its endpoint is configured not to take it."""


class Accepted(msgspec.Struct, frozen=True):
    """What became of a delivery that was answered 200.

    Args:
        event_id: The event it carried, the first of them where they were several.
        result: Whether that was stored, known, kept on the disk, or not wanted.
        secret: What proved it, if anything did.
        is_late: It was signed so long ago that only ``late_tolerance_seconds`` let it pass.
    """

    event_id: str
    result: Appended | Duplicate | Spooled | Filtered
    secret: Secret | None = None
    is_late: bool = False


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
        attach: Gives a delivery the certificate that it names.
        handshakes: Answers what is no event.
        metrics: Counts what is dropped and diverted.
        unproved_rates: Like `rates`, for what a dry run takes of anyone: a stranger must not use
            up what his sender has.
    """

    appender: Appends
    rates: Mapping[str, Rate]
    attach: Callable[[Delivery], Awaitable[Delivery]] | None = None
    handshakes: Handshakes = field(default_factory=Handshakes)
    metrics: Metrics = field(default_factory=Metrics)
    unproved_rates: Mapping[str, Rate] = field(default_factory=dict)

    async def accept(self, delivery: Delivery) -> Accepted | Answered:
        """Take one delivery.

        Raises:
            DeliveryRefused: It was not stored; the error says what to answer.
        """
        provider = delivery.endpoint.provider
        if provider.scheme.has_certificate and self.attach is not None:
            delivery = await self.attach(delivery)
        verified = verify(delivery)
        if provider.handshakes:
            answered = await self.handshakes.signed(verified)
            if answered is not None:
                return answered
        return await self.take(verified)

    async def take(self, verified: VerifiedDelivery) -> Accepted:
        """Take one delivery that was judged before: identify, filter, append.

        Raises:
            DeliveryRefused: It was not stored; the error says what to answer.
        """
        endpoint = verified.delivery.endpoint
        if endpoint.provider.event.split:
            return await self._take_each(verified)
        identified = identify(verified)
        result: Appended | Duplicate | Spooled | Filtered = Filtered()
        wanted = self._filter(identified, endpoint)
        if wanted is not None:
            self._take_turn(verified)
            result = await self.appender.append(wanted)
        return _accepted(identified, result, verified)

    async def _take_each(self, verified: VerifiedDelivery) -> Accepted:
        """Take all events of a body that holds several, or none of them."""
        delivery = verified.delivery
        endpoint = delivery.endpoint
        events = [
            (event, self._filter(event, endpoint))
            async for event in _in_turns(identify_each(verified))
        ]
        wanted = [event for _, event in events if event is not None]
        if not wanted:
            return _accepted(events[0][0], Filtered(), verified)
        self._take_turn(verified)
        wanted = await with_whole(wanted, delivery.body, endpoint.window_seconds)
        result = await append_all(wanted, self.appender.append)
        return _accepted(wanted[0], result, verified)

    def _filter(self, identified: IdentifiedEvent, endpoint: Endpoint) -> IdentifiedEvent | None:
        """Give an event as it is to be stored, or none where it is not wanted."""
        fit = fitting(identified.event, endpoint)
        if fit is None:
            return identified
        if fit.to is None:
            self.metrics.filtered(endpoint.name, fit.rule)
            return None
        self.metrics.diverted(endpoint.name, fit.rule)
        return diverted(identified, fit.to)

    def _take_turn(self, verified: VerifiedDelivery) -> None:
        if not self.rates:
            return
        endpoint = verified.delivery.endpoint
        is_anyones = endpoint.dry_run and verified.assurance == "none"
        rate = (self.unproved_rates if is_anyones else self.rates).get(endpoint.name)
        if rate is not None:
            rate.take()


def _accepted(
    identified: IdentifiedEvent,
    result: Appended | Duplicate | Spooled | Filtered,
    verified: VerifiedDelivery,
) -> Accepted:
    return Accepted(identified.event.id, result, verified.secret, verified.is_late)


async def _in_turns(events: Iterator[IdentifiedEvent]) -> AsyncIterator[IdentifiedEvent]:
    """Give events one by one, and the loop a turn now and then: thousands take some time."""
    for number, event in enumerate(events, 1):
        yield event
        if number % EVENTS_PER_TURN == 0:
            await asyncio.sleep(0)
