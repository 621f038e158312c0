"""What can stop a delivery or an entry, sorted by who must act.

::

    RelayError
    ├── DeliveryRefused          answered to the sender with `status` and `reason`
    │   ├── MalformedRequest     400  the sender's operator: what came is no HTTP
    │   ├── UnknownEndpoint      404  the sender's operator mends the URL
    │   ├── MethodNotAllowed     405  the sender's operator mends the method
    │   ├── BodyIncomplete       408  the sender sends it again, faster
    │   ├── BodyTooLarge         413  the sender's operator, or `max_body_bytes`
    │   ├── HandshakeRefused     403  the sender's operator, or the endpoint's configuration
    │   │   └── TooManySecrets        ours: an operator accepts or drops what waits
    │   ├── SignatureRefused     401  the sender's operator mends secret or clock
    │   └── TryLater             503  nobody: the sender's retry gets in
    │       ├── StoreUnavailable      the store did not confirm
    │       ├── StoreFull             the store has no room left for events
    │       │   └── StreamFull        the stream of this type is at its cap
    │       ├── Overloaded            too much is in hand already
    │       ├── CertificateUnavailable  the sender's certificate could not be fetched
    │       └── RateLimited      429  the endpoint's own rate is reached
    ├── UnreadableEntry          an entry is not in the contract's form
    └── ConfigurationFault       the operator mends the settings named in it
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

RefusedSignature = Literal[
    "signature_missing",
    "signature_malformed",
    "signature_mismatch",
    "timestamp_too_old",
    "timestamp_in_future",
]


class RelayError(Exception):
    """Something stopped this step."""


class DeliveryRefused(RelayError):
    """The delivery is not stored, and the sender is told why by a stable reason."""

    status: ClassVar[int] = 500
    reason: str = "internal_error"
    title: ClassVar[str] = "The delivery was refused"
    # What the refusal log is told: the body where it was read, and the id of the answer.
    body: bytes | None = None
    request_id: str = ""


class MalformedRequest(DeliveryRefused):
    """What came is not HTTP, or leaves open where one request ends."""

    status = 400
    reason = "malformed_request"
    title = "The request cannot be read"


class UnknownEndpoint(DeliveryRefused):
    """No endpoint has the name in the path."""

    status = 404
    reason = "unknown_endpoint"
    title = "No endpoint has this name"


class MethodNotAllowed(DeliveryRefused):
    """The path exists, but not with this method; the arguments are the methods it has."""

    status = 405
    reason = "method_not_allowed"
    title = "The path does not take this method"


class BodyIncomplete(DeliveryRefused):
    """The rest of the body did not come while there was room to wait for it."""

    status = 408
    reason = "body_incomplete"
    title = "The body did not arrive in time"


class BodyTooLarge(DeliveryRefused):
    """The body is longer than the gateway takes."""

    status = 413
    reason = "body_too_large"
    title = "The body is too large"


class HandshakeRefused(DeliveryRefused):
    """A request by which a sender tries the endpoint is not as it should be."""

    status = 403
    reason = "handshake_refused"
    title = "The handshake was refused"


class TooManySecrets(HandshakeRefused):
    """As many secrets that came by handshakes wait for an operator as may."""

    reason = "too_many_secrets"
    title = "Too many secrets wait for an operator"


class SignatureRefused(DeliveryRefused):
    """The delivery does not prove that it comes from the sender.

    Args:
        reason: What was wrong, as the stable word that is answered and counted.
    """

    status = 401
    title = "The signature was refused"
    reason: RefusedSignature

    def __init__(self, reason: RefusedSignature) -> None:
        super().__init__(reason)
        self.reason = reason


class TryLater(DeliveryRefused):
    """The delivery may be good, but cannot be stored now."""

    status = 503
    retry_after_seconds: int = 5


class StoreUnavailable(TryLater):
    """The store did not confirm; the event may be stored, and appending it again is safe."""

    reason = "store_unavailable"
    title = "The store did not confirm the event"


class StoreFull(TryLater):
    """The store's memory is nearly used up; the rest belongs to the workers."""

    reason = "store_full"
    title = "The store is full"
    retry_after_seconds = 30


class StreamFull(StoreFull):
    """The stream of this type holds as much as it may; the argument is the type."""

    title = "The stream of this type is full"


class Overloaded(TryLater):
    """More is in hand than this process may hold."""

    reason = "overloaded"
    title = "Too many deliveries are in hand"


class CertificateUnavailable(TryLater):
    """What proves the delivery could not be fetched; nothing was proved, and nothing stored."""

    reason = "certificate_unavailable"
    title = "The sender's certificate could not be fetched"
    # A fetch that failed is not tried again before that.
    retry_after_seconds = 60


class RateLimited(TryLater):
    """The endpoint has taken as many deliveries as its operator wants.

    Args:
        retry_after_seconds: When there is room for one again.
    """

    status = 429
    reason = "rate_limited"
    title = "The endpoint takes no more deliveries per second"

    def __init__(self, retry_after_seconds: int = 1) -> None:
        super().__init__(retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class UnreadableEntry(RelayError):
    """A stream entry lacks a field of the contract, or holds one that cannot be read."""


class ConfigurationFault(RelayError):
    """One or more settings are wrong; all of them are named.

    Args:
        faults: One sentence each: which setting, what was expected, what to do.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
