"""A compact JWS in a header, with a digest of the body among its claims.

The algorithm is the scheme's own: what the token's head says must be the same, and is never a
choice.

Source: RFC 7515; RFC 7519.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import b2a_base64
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any

import msgspec

from relay.delivery import Claim, Delivery
from relay.endpoint import Secret
from relay.scheme import Jwt
from relay.verify.age import check_age
from relay.verify.content import wire_bytes
from relay.verify.family import (
    MAX_HEADER_CHARACTERS,
    CannotSign,
    Proved,
    Signed,
    Unsent,
    first,
    prove_any,
    refuse,
)
from relay.verify.in_json import parsed

# Unix seconds beyond any calendar.
_NEVER = 10**12


class JwtVerifier:
    """Verifies tokens that carry a digest of the body.

    Args:
        scheme: Names the header, the algorithm and the claim.
    """

    def __init__(self, scheme: Jwt) -> None:
        self._scheme = scheme

    def examine(self, headers: Mapping[str, str]) -> Claim:
        """Cut the token into what is signed and its signature."""
        text = headers.get(self._scheme.header)
        if text is None:
            refuse("signature_missing")
        token = text.strip().removeprefix(self._scheme.prefix).strip()
        content, dot, signature = token.rpartition(".")
        found = _unpadded(signature)
        if not dot or not found or content.count(".") != 1 or len(token) > MAX_HEADER_CHARACTERS:
            refuse("signature_malformed")
        return Claim(content, (found,))

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a delivery unless its sender's token is about this body.

        Raises:
            SignatureRefused: With the reason.
        """
        scheme, content = self._scheme, delivery.claim.timestamp
        head, _, payload = content.partition(".")
        if _object(head).get("alg") != scheme.algorithm:
            refuse("signature_malformed")
        (signature,) = delivery.claim.candidates
        secret = prove_any(
            delivery.secrets,
            lambda secret: self._holds(secret, content, signature),
        )
        claims = _object(payload)
        digest = claims.get(scheme.claim)
        wrong_issuer = scheme.issuer is not None and claims.get("iss") != scheme.issuer
        if wrong_issuer or not isinstance(digest, str) or not self._is_of(digest, delivery.body):
            refuse("signature_mismatch")
        signed_at, is_late = self._check_times(delivery, claims)
        return Proved(signed_at, secret, is_late)

    def is_signed(self, claim: Claim, secret: Secret) -> bool:
        """Say whether the token was made with a secret, whatever it is about."""
        (signature,) = claim.candidates
        return self._holds(secret, claim.timestamp, signature)

    def sign(self, unsent: Unsent) -> Signed:
        """Make the token.

        Raises:
            CannotSign: A key is needed.
        """
        scheme = self._scheme
        claims: dict[str, str | int] = {scheme.claim: self._digest(unsent.body)}
        claims |= {"iat": unsent.at, "exp": unsent.at + 300} if scheme.has_time else {}
        claims |= {"iss": scheme.issuer} if scheme.issuer is not None else {}
        head = _packed({"alg": scheme.algorithm, "typ": "JWT"})
        content = f"{head}.{_packed(claims)}"
        signature = _padless(self._make(unsent, content))
        prefix = f"{scheme.prefix} " if scheme.prefix else ""
        headers = {**unsent.headers, scheme.header: f"{prefix}{content}.{signature}"}
        return Signed(headers, unsent.body, unsent.query)

    def check(self, secret: Secret) -> None:
        """Refuse a secret that is no key of this scheme.

        Raises:
            ValueError: It is not; the message does not show it.
        """
        if self._scheme.algorithm == "ES256":
            from relay.verify.asymmetric import load_raw  # noqa: PLC0415 - only with the extra

            load_raw(secret.reveal())

    def _make(self, unsent: Unsent, content: str) -> bytes:
        if self._scheme.algorithm == "HS256":
            return _hmac(first(unsent.secrets), content)
        if unsent.key is None:
            raise CannotSign("the endpoint has a public key; a private one is needed to sign")
        from relay.verify.asymmetric import sign_raw  # noqa: PLC0415 - only with the extra

        return sign_raw(unsent.key, content.encode())

    def _holds(self, secret: Secret, content: str, signature: bytes) -> bool:
        if self._scheme.algorithm == "HS256":
            return compare_digest(_hmac(secret, content), signature)
        from relay.verify.asymmetric import load_raw  # noqa: PLC0415 - only with the extra

        return secret.made(load_raw)(signature, wire_bytes(content))

    def _is_of(self, digest: str, body: bytes) -> bool:
        return compare_digest(wire_bytes(digest), self._digest(body).encode())

    def _digest(self, body: bytes) -> str:
        digest = sha256(body)
        if self._scheme.encoding == "hex":
            return digest.hexdigest()
        return b2a_base64(digest.digest(), newline=False).decode()

    def _check_times(
        self, delivery: Delivery, claims: Mapping[str, Any]
    ) -> tuple[str | None, bool]:
        """Judge when it was made and until when it is good, as far as it says so.

        Returns:
            When it was made, if it says so; and whether only the late tolerance lets it pass.
        """
        made, ends = claims.get("iat"), claims.get("exp")
        is_late = False
        if isinstance(ends, int | float) and not isinstance(ends, bool):
            late_ms = 1000 * (
                delivery.endpoint.tolerance_seconds + delivery.endpoint.late_tolerance_seconds
            )
            if delivery.received_at_ms > 1000 * ends + late_ms:
                refuse("timestamp_too_old")
            tolerated_ms = 1000 * delivery.endpoint.tolerance_seconds
            is_late = delivery.received_at_ms > 1000 * ends + tolerated_ms
        if isinstance(made, int | float) and not isinstance(made, bool):
            # A part of a second is a number too (RFC 7519, section 2), and so is 10**300.
            made_ms = int(1000 * max(0, min(made, _NEVER)))
            return str(made), check_age(delivery.endpoint, made_ms, delivery) or is_late
        return None, is_late


def read_token(content: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the head of a token and its claims, each empty where it is no JSON object.

    Args:
        content: What of the token is signed.
    """
    head, _, payload = content.partition(".")
    return _object(head), _object(payload)


def _hmac(secret: Secret, content: str) -> bytes:
    mac = secret.keyed("sha256")
    mac.update(wire_bytes(content))
    return mac.digest()


def _object(part: str) -> dict[str, Any]:
    found = parsed(_unpadded(part) or b"")
    return found if isinstance(found, dict) else {}


def _unpadded(text: str) -> bytes | None:
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None


def _packed(value: object) -> str:
    return _padless(msgspec.json.encode(value))


def _padless(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
