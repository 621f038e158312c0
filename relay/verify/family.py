"""What every family of schemes does: read the head, prove the whole, sign as the sender does."""

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, Protocol

import msgspec

from relay.contract.errors import RefusedSignature, SignatureRefused
from relay.delivery import Claim, Delivery
from relay.endpoint import Endpoint, Secret

# More candidates than any sender has secrets would only be a lever on our time.
MAX_CANDIDATES = 10
# Public keys are slow: a wrong signature must not cost much more than a right one.
MAX_SLOW_CANDIDATES = 2
# Ten signatures fit, and what is longer is not read.
MAX_HEADER_CHARACTERS = 4096
NO_CLAIM = Claim()


class Unsent(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery before its sender has signed it.

    Args:
        endpoint: Where it shall go.
        body: The bytes to be sent.
        at: Unix seconds.
        headers: What its sender says besides, names in lower case.
        query: Without ``?``.
        key: The sender's private key as PEM, where the endpoint has the public one.
        event_id: For a header that names the event.
    """

    endpoint: Endpoint
    body: bytes
    at: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    query: str = ""
    key: bytes | None = None
    event_id: str = "evt_example"


class Signed(msgspec.Struct, frozen=True):
    """What its sender adds to a delivery, or changes in it.

    Args:
        headers: The signature and what belongs to it.
        body: The bytes to be sent.
        query: Without ``?``.
    """

    headers: dict[str, str]
    body: bytes
    query: str = ""


class CannotSign(ValueError):
    """A delivery cannot be signed with what there is; the message says what is missing."""


class Verifier(Protocol):
    """Verifies the deliveries of one scheme."""

    def examine(self, headers: Mapping[str, str]) -> Claim:
        """Read the head, and refuse what cannot become valid whatever the body says."""

    def prove(self, delivery: Delivery) -> str | None:
        """Refuse a delivery unless its sender made it; give the signed timestamp, if it has one."""

    def sign(self, unsent: Unsent) -> Signed:
        """Sign as the sender does, with the endpoint's first secret."""

    def check(self, secret: Secret) -> None:
        """Refuse a secret that cannot be one by a `ValueError` that does not show it."""


def prove_any(secrets: Sequence[Secret], holds: Callable[[Secret], bool]) -> None:
    """Refuse a delivery unless it was made with one of the secrets.

    All of them are tried, so the time taken says nothing about which one it was.

    Args:
        secrets: Of its endpoint.
        holds: Says whether it was made with one, comparing in constant time.

    Raises:
        SignatureRefused: ``signature_mismatch``.
    """
    held = False
    for secret in secrets:
        held |= holds(secret)
    if not held:
        refuse("signature_mismatch")


def refuse(reason: RefusedSignature) -> NoReturn:
    """Refuse a delivery.

    Raises:
        SignatureRefused: Always.
    """
    raise SignatureRefused(reason)


def first(secrets: Sequence[Secret]) -> Secret:
    """Give the secret that signs.

    Raises:
        CannotSign: There is none.
    """
    if not secrets:
        raise CannotSign("the endpoint has no secret")
    return secrets[0]
