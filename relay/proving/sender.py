"""A made-up sender of each kind: the endpoint that knows it, and the key with which it signs."""

from collections.abc import Mapping
from dataclasses import dataclass

from multidict import CIMultiDict

from relay.contract.examples import Example
from relay.delivery import Certificate, Delivery
from relay.endpoint import Endpoint, Secret
from relay.provider import Provider
from relay.proving.form import encoded
from relay.scheme import Jwt, Key, Signature
from relay.verify import Unsent, examine_head, sign

PUBLIC_URL = "https://hooks.example.com/webhooks/sender"
TOPIC = "arn:aws:sns:us-east-1:123456789012:example"
WEBHOOK_ID = "5WH44510GB886442S"
# Whose certificates PayPal signs with; those of AWS may have any name.
CERTIFIED = "messageverificationcerts.paypal.com"
SECRET_BYTES = 32

_PEM = Key(form="pem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A delivery on its way, all of which may still be changed.

    Args:
        headers: Names in lower case.
        body: Its bytes.
        query: Without ``?``.
        at: When it arrives, Unix seconds.
    """

    headers: Mapping[str, str]
    body: bytes
    query: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A sender and the endpoint to which it sends.

    Args:
        endpoint: Has the secret, the public key, or the certificate.
        key: The private one as PEM, where there is one.
    """

    endpoint: Endpoint
    key: bytes | None = None

    def send(self, example: Example, at: int) -> Sent:
        """Sign an example.

        Args:
            example: What is sent.
            at: When, Unix seconds.

        Raises:
            CannotSign: The example does not fit the scheme.
        """
        signed = sign(
            Unsent(
                endpoint=self.endpoint,
                body=example.body,
                at=at,
                headers=example.headers,
                key=self.key,
                event_id=example.id,
            )
        )
        headers = {**example.headers, **signed.headers}
        return Sent(headers=headers, body=signed.body, query=signed.query, at=at)


def receive(endpoint: Endpoint, sent: Sent) -> Delivery:
    """Receive a delivery as the gateway does, up to its verification.

    Raises:
        SignatureRefused: Its head is wrong already.
    """
    headers, own = CIMultiDict(sent.headers), endpoint.certificate
    return Delivery(
        endpoint=endpoint,
        claim=examine_head(endpoint, headers),
        headers=headers,
        query=sent.query,
        body=sent.body,
        received_at_ms=sent.at * 1000,
        certificate=None if own is None else Certificate(own, own),
    )


def make_sender(provider: Provider, secret: bytes, now_seconds: int) -> Sender:
    """Make a sender with a key of its own.

    Args:
        provider: Of which kind.
        secret: What becomes its secret, where it has one; ``SECRET_BYTES`` plain characters.
        now_seconds: Unix seconds, for certificates.
    """
    scheme = provider.scheme
    if scheme.has_certificate:
        return _certified(provider, now_seconds)
    if provider.has_public_key:
        return _paired(provider)
    if scheme.family == "none":
        return Sender(endpoint=_endpoint(provider))
    text = encoded(secret, getattr(scheme, "key", Key()))
    return Sender(
        endpoint=_endpoint(provider, f"user:{text}" if scheme.family == "basic" else text)
    )


def _certified(provider: Provider, now_seconds: int) -> Sender:
    from relay.proving.keys import make_certificate  # noqa: PLC0415 - only with the extra

    certificate, key = make_certificate(CERTIFIED, now_seconds)
    return Sender(endpoint=_endpoint(provider, certificate=certificate), key=key)


def _paired(provider: Provider) -> Sender:
    from relay.proving.keys import make_pair  # noqa: PLC0415 - only with the extra

    scheme = provider.scheme
    is_token = isinstance(scheme, Jwt)
    algorithm = scheme.algorithm if isinstance(scheme, Signature) else "ecdsa-p256"
    text, key = make_pair(algorithm, _PEM if is_token else getattr(scheme, "key", Key()))
    return Sender(endpoint=_endpoint(provider, text), key=key)


def _endpoint(
    provider: Provider, secret: str = "", *, certificate: bytes | None = None
) -> Endpoint:
    family = provider.scheme.family
    return Endpoint(
        name="sender",
        provider=provider,
        secrets=(Secret(secret, "made up"),) if secret else (),
        tolerance_seconds=provider.tolerance_seconds,
        public_url=PUBLIC_URL if provider.needs_url else None,
        topics=frozenset({TOPIC} if family == "sns" else ()),
        webhook_id=WEBHOOK_ID if family == "paypal" else None,
        certificate=certificate,
    )
