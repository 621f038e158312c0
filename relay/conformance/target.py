"""What is examined, and within which limits."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay.conformance.address import Address
from relay.conformance.event import Maker, Signer
from relay.conformance.observe import Observer

Change = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Trouble:
    """How the receiver's own trouble is made and mended again.

    Args:
        begin: Takes away what the receiver stores in.
        end: Gives it back.
    """

    begin: Change
    end: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One receiver, and what is known of it.

    Args:
        address: Where deliveries are sent.
        signer: Signs them.
        maker: Makes them.
        max_body_bytes: The longest body that it takes.
        tolerance_seconds: How far a signed time may be from its clock.
        patience_seconds: How long a sender waits for an answer.
        slow_seconds: How long a slow sender takes for one delivery.
        at_once: The most deliveries that are sent at the same moment.
        observer: Sees what it has stored, if anything does.
        trouble: Makes trouble for it, if anything does.
    """

    address: Address
    signer: Signer
    maker: Maker
    max_body_bytes: int = 10 * 1024 * 1024
    tolerance_seconds: int = 300
    patience_seconds: float = 5.0
    slow_seconds: float = 5.0
    at_once: int = 1000
    observer: Observer | None = None
    trouble: Trouble | None = None

    @property
    def deadline_seconds(self) -> float:
        """How long any answer is waited for; only one check judges the sender's patience."""
        return 3 * self.patience_seconds
