"""Delivery in, verified delivery out, or a refusal with its reason.

For any bytes in headers and body, `verify` returns or raises `SignatureRefused`; nothing else
escapes. It sees the bytes of the wire and never a decoded form of them.
"""

from relay.contract.errors import SignatureRefused
from relay.delivery import Claim, Delivery, VerifiedDelivery
from relay.endpoint import Endpoint
from relay.verify.timestamped_hmac import parse, sign, verify_signature

__all__ = ["examine_head", "sign_for", "verify"]


def examine_head(endpoint: Endpoint, header: str | None) -> Claim:
    """Read the signature header, and refuse what cannot become valid whatever the body says.

    Args:
        endpoint: Where the delivery was sent.
        header: The scheme's signature header, if it came.

    Returns:
        What the delivery claims, to be proved once its body is here.

    Raises:
        SignatureRefused: The header is missing or malformed.
    """
    return parse(endpoint.provider.scheme, header)


def verify(delivery: Delivery) -> VerifiedDelivery:
    """Prove that a delivery comes from its endpoint's sender.

    Any candidate signature may match any of the endpoint's secrets, so both sides can replace
    theirs without an outage. The signature is judged before the age, so that a refusal for age
    alone means that the secret was right.

    Raises:
        SignatureRefused: With the reason; nothing else is raised, whatever was sent.
    """
    endpoint = delivery.endpoint
    scheme = endpoint.provider.scheme
    claim = delivery.claim
    if not verify_signature(scheme, claim, endpoint.secrets, delivery.body):
        raise SignatureRefused("signature_mismatch")
    _check_age(endpoint, int(claim.timestamp), delivery.received_at_ms)
    return VerifiedDelivery(delivery=delivery, assurance="body", signed_at=claim.timestamp)


def sign_for(endpoint: Endpoint, body: bytes, timestamp: int) -> dict[str, str]:
    """Make the headers with which the endpoint's sender would send a body.

    Args:
        endpoint: Its first secret signs.
        body: The bytes to be sent.
        timestamp: Unix seconds.
    """
    scheme = endpoint.provider.scheme
    return {scheme.header: sign(scheme, endpoint.secrets[0], body, timestamp)}


def _check_age(endpoint: Endpoint, signed_at_seconds: int, received_at_ms: int) -> None:
    age_ms = received_at_ms - 1000 * signed_at_seconds
    if age_ms > 1000 * (endpoint.tolerance_seconds + endpoint.late_tolerance_seconds):
        raise SignatureRefused("timestamp_too_old")
    if age_ms < -1000 * endpoint.tolerance_seconds:
        raise SignatureRefused("timestamp_in_future")
