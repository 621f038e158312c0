"""Keys of made-up senders: pairs, as their customers are given the public half, and certificates.

Needs the extra ``asymmetric``; whoever imports this has looked whether it is there.
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay.proving.form import encoded
from relay.scheme import Key

DAY = timedelta(days=1)

_Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_pair(algorithm: str, key: Key) -> tuple[str, bytes]:
    """Make a pair of keys.

    Args:
        algorithm: With which it signs.
        key: In which form a customer is given the public one.

    Returns:
        The public key in that form, and the private one as PEM.
    """
    private = _private_key(algorithm)
    return _written(private, key), _pem(private)


def make_certificate(name: str, now_seconds: int) -> tuple[bytes, bytes]:
    """Make a certificate that nobody but its own key vouches for.

    Args:
        name: Whose it says it is.
        now_seconds: Unix seconds; it is good for a day before and after.

    Returns:
        The certificate and its private key, both as PEM.
    """
    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.fromtimestamp(now_seconds, UTC)
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    # What a strict verifier wants to see.
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
        (x509.SubjectAlternativeName([x509.DNSName(name)]), False),
        (usage, False),
    ]
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    signed = builder.sign(private, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM), _pem(private)


def _private_key(algorithm: str) -> _Private:
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


def _pem(private: _Private) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _written(private: _Private, key: Key) -> str:
    public = private.public_key()
    if key.form == "pem":
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return encoded(public.public_bytes_raw(), key)
    return encoded(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), key)
