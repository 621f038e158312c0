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

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that count at that time; the first signs."""
        return self.endpoint.secrets_at(1000 * self.at)


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


class Proved(msgspec.Struct, frozen=True):
    """What a delivery that passed has proved.

    Args:
        signed_at: The signed timestamp as sent, if the scheme signs one.
        secret: By which it was proved, the first of its endpoint's where several fit.
        is_late: Only the late tolerance let it pass.
    """

    signed_at: str | None = None
    secret: Secret | None = None
    is_late: bool = False


class CannotSign(ValueError):
    """A delivery cannot be signed with what there is; the message says what is missing."""


class Verifier(Protocol):
    """Verifies the deliveries of one scheme."""

    def examine(self, headers: Mapping[str, str]) -> Claim:
        """Read the head, and refuse what cannot become valid whatever the body says."""

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a delivery unless its sender made it."""

    def sign(self, unsent: Unsent) -> Signed:
        """Sign as the sender does, with the endpoint's first secret."""

    def check(self, secret: Secret) -> None:
        """Refuse a secret that cannot be one by a `ValueError` that does not show it."""


def prove_any(secrets: Sequence[Secret], holds: Callable[[Secret], bool]) -> Secret:
    """Refuse a delivery unless it was made with one of the secrets.

    All of them are tried, so the time taken says nothing about which one it was.

    Args:
        secrets: Of its endpoint, those that count.
        holds: Says whether it was made with one, comparing in constant time.

    Returns:
        The first with which it was.

    Raises:
        SignatureRefused: ``signature_mismatch``.
    """
    fitting = [secret for secret in secrets if holds(secret)]
    if not fitting:
        refuse("signature_mismatch")
    return fitting[0]


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
        raise CannotSign("the endpoint has no secret that counts now")
    return secrets[0]
