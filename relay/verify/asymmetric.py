"""Public keys: the sender has the private one, so a stolen configuration signs nothing.

Needs the extra ``asymmetric``; whoever imports this has an endpoint of such a sender.

Source: RFC 8032 for Ed25519; FIPS 186-5 for ECDSA; RFC 8017 for RSA.
"""

from base64 import urlsafe_b64decode
from collections.abc import Callable

from relay.scheme import Key
from relay.verify.extra import MISSING
from relay.verify.family import CannotSign
from relay.verify.in_json import parsed, text_in
from relay.verify.keys import key_bytes

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import (
        decode_dss_signature,
        encode_dss_signature,
    )
except ImportError as error:  # pragma: no cover - every environment of ours has it
    raise ValueError(MISSING) from error

Check = Callable[[bytes, bytes], bool]


def load(algorithm: str, key: Key, text: bytes) -> Check:
    """Read a public key.

    Args:
        algorithm: With which it verifies.
        key: In which form it is: PEM, the base64 of DER, or the hex or base64 of 32 bytes.
        text: As the sender gives it.

    Returns:
        What says whether a signature goes with a content.

    Raises:
        ValueError: It is no public key of this algorithm.
    """
    try:
        public = _public_key(algorithm, key, text)
    except ValueError:
        raise ValueError(f"the secret is no public key for {algorithm}, as {key.form}") from None
    if isinstance(public, ed25519.Ed25519PublicKey):
        return lambda signature, content: _holds(lambda: public.verify(signature, content))
    if isinstance(public, ec.EllipticCurvePublicKey):
        kind = ec.ECDSA(hashes.SHA256())
        return lambda signature, content: _holds(lambda: public.verify(signature, content, kind))
    return lambda signature, content: _holds(
        lambda: public.verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
    )


def sign(algorithm: str, pem: bytes, content: bytes) -> bytes:
    """Sign with a private key.

    Raises:
        CannotSign: The key is none of this algorithm.
    """
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise CannotSign("the private key is not PEM, or has a password") from None
    if algorithm == "ed25519" and isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(content)
    if algorithm == "ecdsa-p256" and isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(content, ec.ECDSA(hashes.SHA256()))
    if algorithm == "rsa-sha256" and isinstance(private, rsa.RSAPrivateKey):
        return private.sign(content, padding.PKCS1v15(), hashes.SHA256())
    raise CannotSign(f"the private key is not for {algorithm}")


def _public_key(
    algorithm: str, key: Key, text: bytes
) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    found = key_bytes(key, text.strip())
    if key.form == "pem" or found.startswith(b"-----BEGIN"):
        public = serialization.load_pem_public_key(found)
    elif algorithm == "ed25519" and len(found) == 32:
        return ed25519.Ed25519PublicKey.from_public_bytes(found)
    else:
        public = serialization.load_der_public_key(found)
    if algorithm == "ed25519" and isinstance(public, ed25519.Ed25519PublicKey):
        return public
    if (
        algorithm == "ecdsa-p256"
        and isinstance(public, ec.EllipticCurvePublicKey)
        and isinstance(public.curve, ec.SECP256R1)
    ):
        return public
    if algorithm == "rsa-sha256" and isinstance(public, rsa.RSAPublicKey):
        return public
    raise ValueError(algorithm)


def _holds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except (InvalidSignature, ValueError):
        return False
    return True


def load_raw(text: bytes) -> Check:
    """Read a public key of P-256, for signatures that are two numbers and no DER.

    Args:
        text: PEM, or the key's JWK, as senders of tokens give it.

    Raises:
        ValueError: It is no such key.

    Source: RFC 7518, sections 3.4 and 6.2.1.
    """
    check = load("ecdsa-p256", Key(form="pem"), _pem_of(text) if b"{" in text else text)

    def holds(signature: bytes, content: bytes) -> bool:
        if len(signature) != 64:
            return False
        numbers = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        return check(encode_dss_signature(*numbers), content)

    return holds


def _pem_of(jwk: bytes) -> bytes:
    found = parsed(jwk)
    try:
        x, y = (
            int.from_bytes(urlsafe_b64decode(f"{text_in(found, name)}==")) for name in ("x", "y")
        )
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:
        raise ValueError("the secret is no public key of P-256, as JWK") from None
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign_raw(pem: bytes, content: bytes) -> bytes:
    """Sign with a private key of P-256, to a signature that is two numbers.

    Raises:
        CannotSign: The key is none of P-256.
    """
    r, s = decode_dss_signature(sign("ecdsa-p256", pem, content))
    return r.to_bytes(32) + s.to_bytes(32)
