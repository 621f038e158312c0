"""Delivery in, verified delivery out, or a refusal with its reason.

For any bytes in headers and body, `verify` returns or raises `SignatureRefused`; nothing else
escapes. It sees the bytes of the wire and never a decoded form of them. Which scheme an endpoint
has is its configuration's choice, and never the request's.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from relay.contract.event import Assurance
from relay.delivery import Claim, Delivery, VerifiedDelivery
from relay.endpoint import Endpoint, Secret
from relay.scheme import (
    Basic,
    Jwt,
    PayPalSignature,
    Scheme,
    Signature,
    SignatureInBody,
    SnsSignature,
    Token,
    TwilioSignature,
    Unsigned,
)
from relay.verify.family import CannotSign, Signed, Unsent, Verifier
from relay.verify.in_body import InBodyVerifier
from relay.verify.jwt import JwtVerifier
from relay.verify.signature import SignatureVerifier
from relay.verify.static import BasicVerifier, TokenVerifier, UnsignedVerifier
from relay.verify.twilio import TwilioVerifier
from relay.verify.with_certificate import PayPalVerifier, SnsVerifier

__all__ = [
    "CannotSign",
    "Signed",
    "Unsent",
    "check_secret",
    "examine_head",
    "new_verifier",
    "sign",
    "sign_for",
    "unproved",
    "verify",
]

# Schemes that are made up by nobody but tests need not stay.
MAX_SCHEMES = 4096

_FAMILIES: dict[type, Callable[[Any], Verifier]] = {
    Signature: SignatureVerifier,
    SignatureInBody: InBodyVerifier,
    TwilioSignature: TwilioVerifier,
    Jwt: JwtVerifier,
    SnsSignature: SnsVerifier,
    PayPalSignature: PayPalVerifier,
    Token: TokenVerifier,
    Basic: BasicVerifier,
    Unsigned: UnsignedVerifier,
}


def examine_head(endpoint: Endpoint, headers: Mapping[str, str]) -> Claim:
    """Read what the head says of a signature, and refuse what the body cannot mend.

    Args:
        endpoint: Where the delivery was sent.
        headers: Of the request; names are compared without regard to case.

    Returns:
        What the delivery claims, to be proved once its body is here.

    Raises:
        SignatureRefused: The signature is missing or malformed.
    """
    return _verifier(endpoint.provider.scheme)[0].examine(headers)


def verify(delivery: Delivery) -> VerifiedDelivery:
    """Prove that a delivery comes from its endpoint's sender.

    Any candidate signature may match any of the endpoint's secrets, so both sides can replace
    theirs without an outage.

    Raises:
        SignatureRefused: With the reason; nothing else is raised, whatever was sent.
    """
    verifier, assurance = _verifier(delivery.endpoint.provider.scheme)
    proved = verifier.prove(delivery)
    return VerifiedDelivery(
        delivery=delivery,
        assurance=assurance,
        signed_at=proved.signed_at,
        secret=proved.secret,
        is_late=proved.is_late,
    )


def unproved(delivery: Delivery) -> VerifiedDelivery:
    """Let a delivery pass that proves nothing, since an operator wants it, marked as such.

    Nothing that it says is taken for signed: neither its time nor its id.
    """
    return VerifiedDelivery(delivery=delivery, assurance="none", signed_at=None)


def check_secret(scheme: Scheme, secret: Secret) -> None:
    """Refuse a secret that cannot be one of a scheme.

    Raises:
        ValueError: What is wrong with it, without showing it.
    """
    _verifier(scheme)[0].check(secret)


def sign(unsent: Unsent) -> Signed:
    """Sign a delivery as its endpoint's sender does.

    Raises:
        CannotSign: There is no key for it.
    """
    return _verifier(unsent.endpoint.provider.scheme)[0].sign(unsent)


def sign_for(endpoint: Endpoint, body: bytes, timestamp: int) -> dict[str, str]:
    """Make the headers with which the endpoint's sender would send a body.

    Args:
        endpoint: Its first secret signs.
        body: The bytes to be sent.
        timestamp: Unix seconds.

    Raises:
        CannotSign: There is no key for it.
    """
    return sign(Unsent(endpoint=endpoint, body=body, at=timestamp)).headers


def new_verifier(scheme: Scheme) -> Verifier:
    """Make a verifier of a scheme that has seen no delivery yet.

    What is tried with it leaves nothing behind in the one that judges what comes in.
    """
    return _FAMILIES[type(scheme)](scheme)


@lru_cache(MAX_SCHEMES)
def _verifier(scheme: Scheme) -> tuple[Verifier, Assurance]:
    return _FAMILIES[type(scheme)](scheme), scheme.assurance
