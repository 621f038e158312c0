"""Signatures made with a certificate's key: PEM, text and signature in, yes or no out.

RSA with PKCS#1 v1.5, as SNS and PayPal sign. Needs the extra ``asymmetric``, which is loaded when
the first signature is judged, so that a gateway without such senders never loads it.

Source: RFC 8017, section 8.2; RFC 4648, section 4.
"""

import base64
import binascii
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from cryptography.x509 import Certificate

Digest = Literal["sha1", "sha256"]

# A key of 4096 bits makes 512 bytes; nothing longer is decoded.
MAX_SIGNATURE_CHARACTERS = 1024
MIN_KEY_BITS = 2048
# What of a chain is looked at: more would only be a lever on our time.
MAX_CHAIN = 5
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def read_chain(pem: bytes) -> "tuple[Certificate, ...] | None":
    """Read what was fetched as certificates, the signer's first.

    Returns:
        One to ``MAX_CHAIN``; None where the bytes are something else. Reading takes longer than
        verifying does, so the last ones are remembered.
    """
    return _read_chain(pem)


@lru_cache(maxsize=64)
def _read_chain(pem: bytes) -> "tuple[Certificate, ...] | None":
    from cryptography import x509  # noqa: PLC0415 - only where an endpoint needs it

    try:
        # It warns of numbers that it takes today and will not take one day.
        with warnings.catch_warnings(action="ignore"):
            chain = tuple(x509.load_pem_x509_certificates(pem))
    except (ValueError, x509.InvalidVersion):
        return None
    return chain if 0 < len(chain) <= MAX_CHAIN else None


def is_current(certificate: "Certificate", now_seconds: float) -> bool:
    """Tell whether a moment lies within a certificate's dates.

    Args:
        certificate: Whose.
        now_seconds: Unix seconds.
    """
    try:
        begins = certificate.not_valid_before_utc.timestamp()
        return begins <= now_seconds <= certificate.not_valid_after_utc.timestamp()
    # A date that no calendar has is read only here.
    except ValueError:
        return False


def read_signature(text: object) -> bytes | None:
    """Decode a signature of standard base64, padded, without anything between.

    Returns:
        Its bytes, or None. Only the one spelling that an encoder writes is read: else bits of the
        last character could be changed.
    """
    if not isinstance(text, str) or len(text) > MAX_SIGNATURE_CHARACTERS:
        return None
    if not _BASE64.fullmatch(text):
        return None
    try:
        signature = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return signature if base64.b64encode(signature).decode() == text else None


def is_signed(certificate: "Certificate", digest: Digest, text: bytes, signature: bytes) -> bool:
    """Tell whether a signature over a text was made with a certificate's key.

    Any other kind of key, or a short one, is a no.
    """
    from cryptography.exceptions import (  # noqa: PLC0415 - only where an endpoint needs it
        InvalidSignature,
        UnsupportedAlgorithm,
    )
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    try:
        key = _rsa_key(certificate)
        if key is None:
            return False
        key.verify(signature, text, padding.PKCS1v15(), _hash(digest))
    # A policy of the system's may forbid SHA-1, or the key may be of a kind that is not known.
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def sign(key_pem: bytes, digest: Digest, text: bytes) -> str:
    """Sign a text as the owner of a certificate does.

    Args:
        key_pem: A private RSA key without a password.
        digest: Of the text.
        text: What is signed.

    Returns:
        The signature, in base64.

    Raises:
        ValueError: This is no such key.
    """
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    key = load_pem_private_key(key_pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        # Whatever is wrong with a key, it is one fault of the configuration.
        raise ValueError("a private RSA key is needed")  # noqa: TRY004
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), _hash(digest))).decode()


def _rsa_key(certificate: "Certificate") -> "RSAPublicKey | None":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415

    key = certificate.public_key()
    return key if isinstance(key, RSAPublicKey) and key.key_size >= MIN_KEY_BITS else None


def _hash(digest: Digest) -> "HashAlgorithm":
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    # SNS signs its version 1 so; what it must resist is a second text for a known signature, which
    # nobody makes for SHA-1.
    return hashes.SHA256() if digest == "sha256" else hashes.SHA1()  # noqa: S303
