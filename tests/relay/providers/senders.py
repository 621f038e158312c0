"""A sender of each kind: an endpoint that knows it, and the key with which it signs."""

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from multidict import CIMultiDict

from relay.contract.examples import Example
from relay.delivery import Certificate, Delivery
from relay.endpoint import Endpoint, Secret
from relay.providers import PROVIDERS
from relay.scheme import Jwt, Key, Signature
from relay.verify import Unsent, examine_head, sign
from tests.issuing import issue

PUBLIC_URL = "https://hooks.example.com/webhooks/sender"
TOPIC = "arn:aws:sns:us-east-1:123456789012:example"
WEBHOOK_ID = "9XL90610J3647323C"
# Kinds of senders whose certificate is fetched; in tests it is one of ours.
CERTIFIED = [name for name in PROVIDERS if PROVIDERS[name].scheme.has_certificate]
SECRET = b"a secret of 32 bytes for tests!!"

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender and the endpoint to which it sends.

    Args:
        endpoint: Has the secret, or the public key.
        key: The private one as PEM, where there is one.
    """

    endpoint: Endpoint
    key: bytes | None = None

    def send(self, example: Example, at: int) -> Delivery:
        """Sign an example at a Unix second, and receive it in the same."""
        unsent = Unsent(
            endpoint=self.endpoint,
            body=example.body,
            at=at,
            headers=example.headers,
            key=self.key,
            event_id=example.id,
        )
        signed = sign(unsent)
        headers = CIMultiDict({**example.headers, **signed.headers})
        own = self.endpoint.certificate
        return Delivery(
            endpoint=self.endpoint,
            certificate=Certificate(own, own) if own else None,
            claim=examine_head(self.endpoint, headers),
            headers=headers,
            query=signed.query,
            body=signed.body,
            received_at_ms=at * 1000,
        )


def table_of(name: str, endpoint: str, folder: Path) -> str:
    """Write an endpoint's table for the sender of a preset, and the files that it names."""
    known = sender_of(name).endpoint
    lines = [f"[endpoints.{endpoint}]", f'provider = "{name}"']
    if known.secrets:
        (folder / f"{name}.secret").write_bytes(known.secrets[0].reveal())
        lines.append(f'secrets = [{{ file = "{name}.secret" }}]')
    if known.public_url:
        lines.append(f'public_url = "{known.public_url}"')
    if known.certificate:
        (folder / f"{name}.pem").write_bytes(known.certificate)
        lines += [f'certificate_file = "{name}.pem"', whose(name)]
    return "\n".join([*lines, ""])


def whose(name: str) -> str:
    """Write what an endpoint says of a sender that signs alike for everyone."""
    return f'topic_arns = ["{TOPIC}"]' if name == "aws-sns" else f'webhook_id = "{WEBHOOK_ID}"'


@cache
def sender_of(name: str, secret: bytes = SECRET) -> Sender:
    """Give the one sender of a preset that has a secret, or a key pair for it."""
    scheme = PROVIDERS[name].scheme
    if isinstance(scheme, Signature) and scheme.is_asymmetric:
        private = _private_key(scheme.algorithm)
        return _sender(name, _written(private, scheme.key), _pem(private))
    if isinstance(scheme, Jwt) and scheme.algorithm == "ES256":
        private = _private_key("ecdsa-p256")
        return _sender(name, _written(private, Key(form="pem")), _pem(private))
    if scheme.family == "basic":
        return _sender(name, f"user:{secret.decode()}")
    if scheme.family == "none":
        return _sender(name, None)
    if scheme.has_certificate:
        return _certified(name)
    return _sender(name, _encoded(secret, getattr(scheme, "key", Key())))


def _sender(name: str, secret: str | None, key: bytes | None = None) -> Sender:
    provider = PROVIDERS[name]
    values: dict[str, Any] = {"public_url": PUBLIC_URL} if provider.needs_url else {}
    secrets = () if secret is None else (Secret(secret, "env:TEST"),)
    return Sender(Endpoint(name="sender", provider=provider, secrets=secrets, **values), key)


def _certified(name: str) -> Sender:
    host = "sns.amazonaws.com" if name == "aws-sns" else "messageverificationcerts.paypal.com"
    issued = issue(host, begins=1.6e9, ends=2.4e9)
    endpoint = Endpoint(
        name="sender",
        provider=PROVIDERS[name],
        secrets=(),
        topics=frozenset({TOPIC}),
        webhook_id=WEBHOOK_ID,
        certificate=issued.pem,
    )
    return Sender(endpoint, issued.key_pem)


def _private_key(algorithm: str) -> PrivateKey:
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


def _pem(private: PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _written(private: PrivateKey, key: Key) -> str:
    """Write the public key as the sender gives it to its customers."""
    public = private.public_key()
    if key.form == "pem":
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return _encoded(public.public_bytes_raw(), key)
    return _encoded(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), key)


def _encoded(value: bytes, key: Key) -> str:
    if key.form == "hex":
        return key.prefix + value.hex()
    return key.prefix + (b64encode(value).decode() if key.form == "base64" else value.decode())
