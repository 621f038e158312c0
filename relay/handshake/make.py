"""Joins what answers handshakes with what it needs beyond its own process."""

from typing import Protocol

from redis.asyncio import Redis

from relay.contract.keys import Keys
from relay.delivery import Delivery
from relay.handshake import Handshakes
from relay.handshake.pending import PendingSecrets


class Confirms(Protocol):
    """Confirms a verified delivery at its sender."""

    async def confirm(self, delivery: Delivery, /) -> None:
        """Confirm it, or raise the `DeliveryRefused` that is answered."""


def make_handshakes(redis: Redis, keys: Keys, confirming: Confirms | None) -> Handshakes:
    """Make them.

    Args:
        redis: Where secrets wait; redis-py's retries are off.
        keys: Makes the keys.
        confirming: Confirms at senders; none where no endpoint has one that asks for it.
    """
    keep = PendingSecrets(redis, keys).keep
    return Handshakes(keep, None if confirming is None else confirming.confirm)
