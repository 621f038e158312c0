"""Requests that the gateway confirms at their sender."""

from dataclasses import replace

import pytest

from relay.contract.errors import HandshakeRefused, StoreUnavailable
from relay.delivery import Delivery
from relay.handshake import Answered, Asked, Handshakes
from relay.provider import Handshake, Provider
from relay.providers import PROVIDERS
from relay.verify import verify
from tests.making import make_endpoint, make_signed

CONFIRMATION = b'{"Type":"SubscriptionConfirmation","SubscribeURL":"https://example.com"}'
CONFIRMED = Handshake(
    kind="empty",
    place="body.Type",
    value="SubscriptionConfirmation",
    guard="signature",
    then="confirm",
)


def sender() -> Provider:
    """Give a sender that wants to be confirmed, and signs as Unipile does."""
    return replace(PROVIDERS["unipile"], handshakes=(CONFIRMED,))


async def signed(handshakes: Handshakes, body: bytes) -> Answered | None:
    """Have a signed request of this sender answered."""
    endpoint = make_endpoint(provider=sender())
    return await handshakes.signed(verify(make_signed(body, endpoint=endpoint)))


async def test_a_verified_confirmation_is_confirmed_before_it_is_answered() -> None:
    """Once, with the delivery that was verified; other messages are not."""
    seen: list[bytes] = []

    async def confirm(delivery: Delivery) -> None:
        seen.append(delivery.body)

    handshakes = Handshakes(confirm=confirm)
    answered = await signed(handshakes, CONFIRMATION)
    other = await signed(handshakes, b'{"Type":"Notification"}')

    assert answered == Answered(status=200)
    assert other is None
    assert seen == [CONFIRMATION]


async def test_what_could_not_be_confirmed_is_not_answered_200() -> None:
    """The sender comes again."""

    async def confirm(_: Delivery) -> None:
        raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        await signed(Handshakes(confirm=confirm), CONFIRMATION)


async def test_nothing_is_confirmed_where_nobody_can() -> None:
    """A gateway without the means refuses."""
    with pytest.raises(HandshakeRefused):
        await signed(Handshakes(), CONFIRMATION)


async def test_nothing_signed_is_answered_before_it_is_verified() -> None:
    """Also where the head alone would tell what it is."""
    named = replace(CONFIRMED, place="query.confirm", value=None)
    endpoint = make_endpoint(provider=replace(sender(), handshakes=(named,)))
    asked = Asked(endpoint, "POST", {}, "confirm=1", b"{}")
    handshakes = Handshakes(confirm=_accept)

    assert await handshakes.at_head(asked) is None
    assert await handshakes.unsigned(asked) is None
    delivery = make_signed(b"{}", endpoint=endpoint, query="confirm=1")
    assert await handshakes.signed(verify(delivery)) == Answered(status=200)


async def _accept(_: Delivery) -> None:
    """Confirm anything."""
