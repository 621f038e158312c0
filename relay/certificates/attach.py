"""A delivery in, the same with the certificate that it says it was signed with.

What can be refused before anything is fetched is refused here: a topic that is not the endpoint's,
a URL that is none of the sender's.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import msgspec

from relay.certificates.address import (
    Address,
    paypal_certificate,
    sns_certificate,
    sns_subscription,
)
from relay.certificates.confirm import confirm
from relay.certificates.fetch import Fetcher
from relay.contract.errors import HandshakeRefused, SignatureRefused
from relay.delivery import Certificate, Delivery
from relay.endpoint import Endpoint


class _Message(msgspec.Struct, rename={"topic": "TopicArn", "certificate": "SigningCertURL"}):
    """What is looked at before the signature; nothing else of a stranger's JSON is made."""

    topic: str | None = None
    certificate: str | None = None


_NAMES = {"topic": "TopicArn", "url": "SubscribeURL", "token": "Token"}


class _Subscription(msgspec.Struct, rename=_NAMES):
    """What a confirmation asks for, looked at when it was verified."""

    topic: str
    url: str
    token: str


_decode = msgspec.json.Decoder(_Message).decode
_subscription = msgspec.json.Decoder(_Subscription).decode


class Certificates:
    """Brings the certificates of deliveries.

    Args:
        fetcher: Fetches those that an endpoint has not by file.
        roots: PEM of what the system trusts.
    """

    def __init__(self, fetcher: Fetcher, roots: bytes) -> None:
        self._fetcher = fetcher
        self._roots = roots

    async def attach(self, delivery: Delivery) -> Delivery:
        """Give a delivery with its certificate.

        Raises:
            SignatureRefused: It names a topic that is not the endpoint's, or no certificate.
            CertificateUnavailable: The certificate could not be fetched; the sender comes again.
        """
        endpoint = delivery.endpoint
        address = _address_of(delivery, endpoint)
        own = endpoint.certificate
        if own is not None:
            certificate = Certificate(own, own)
        else:
            pem = await self._fetcher.fetch(address)
            certificate = Certificate(pem, endpoint.roots or self._roots)
        return msgspec.structs.replace(delivery, certificate=certificate)

    async def confirm(self, delivery: Delivery) -> None:
        """Confirm a subscription of SNS, as a verified message of an own topic asks for.

        Raises:
            HandshakeRefused: The URL in it does not confirm this topic, or does something else.
            CertificateUnavailable: SNS did not confirm it; it comes again.
        """
        try:
            asked = _subscription(delivery.body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise HandshakeRefused from None
        address = sns_subscription(asked.url, asked.topic, asked.token)
        if address is None:
            raise HandshakeRefused
        await confirm(self._fetcher, address)

    async def stop(self) -> None:
        """End what is being fetched."""
        await self._fetcher.stop()


def _address_of(delivery: Delivery, endpoint: Endpoint) -> Address:
    if endpoint.provider.scheme.family == "sns":
        message = _message(delivery.body)
        # Before anything else: everyone's topics are signed alike.
        if message.topic not in endpoint.topics:
            raise SignatureRefused("signature_mismatch")
        address = sns_certificate(message.certificate)
    else:
        address = paypal_certificate(delivery.headers.get("paypal-cert-url", "").strip())
    if address is None:
        raise SignatureRefused("signature_malformed")
    return address


def _message(body: bytes) -> _Message:
    try:
        return _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise SignatureRefused("signature_missing") from None
