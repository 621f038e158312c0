"""The families that sign with a certificate, which is fetched before: AWS SNS and PayPal.

What was fetched comes with the delivery; nothing is fetched here.
"""

from collections.abc import Mapping

import msgspec

from relay.delivery import Claim, Delivery
from relay.endpoint import Secret
from relay.scheme import PayPalSignature, SnsSignature
from relay.verify.age import check_age, reader_of, written
from relay.verify.family import NO_CLAIM, CannotSign, Proved, Signed, Unsent, refuse
from relay.verify.in_json import parsed, picker, text_in
from relay.verify.paypal import Transmission, sign_transmission, verify_transmission
from relay.verify.sns import SIGNED_KEYS, sign_message, verify_message

_read_time = reader_of("iso8601")
_pick = picker([*SIGNED_KEYS, "Signature", "SignatureVersion"])
# As in the messages of AWS; certificates of tests and of networks of one's own are given by file.
_EXAMPLE_CERTIFICATE = (
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-" + 32 * "0" + ".pem"
)
_EXAMPLE_PAYPAL_CERTIFICATE = "https://api.paypal.com/v1/notifications/certs/CERT-example"


class SnsVerifier:
    """Verifies messages of SNS topics that an endpoint names.

    Args:
        scheme: Has no choice but how old a message may be.
    """

    def __init__(self, scheme: SnsSignature) -> None:
        del scheme

    def examine(self, headers: Mapping[str, str]) -> Claim:  # noqa: ARG002
        """Claim nothing: all of it stands in the body."""
        return NO_CLAIM

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a message unless AWS signed it for one of the endpoint's topics.

        Raises:
            SignatureRefused: With the reason.
        """
        try:
            message = _pick(delivery.body)
        except ValueError:
            refuse("signature_missing")
        if not message.get("Signature"):
            refuse("signature_missing")
        # Before anything else: everyone's topics are signed alike.
        if message.get("TopicArn") not in delivery.endpoint.topics:
            refuse("signature_mismatch")
        if delivery.certificate is None:
            refuse("signature_malformed")
        if not verify_message(
            message, delivery.certificate.pem, now_seconds=delivery.received_at_ms / 1000
        ):
            refuse("signature_mismatch")
        return _check_time(delivery, text_in(message, "Timestamp") or "")

    def sign(self, unsent: Unsent) -> Signed:
        """Sign as SNS does, with a key whose certificate the endpoint has by file.

        Raises:
            CannotSign: There is no key, or the body is no message.
        """
        message = parsed(unsent.body)
        if unsent.key is None:
            raise CannotSign("AWS signs with its own certificate; a private key is needed")
        if not isinstance(message, dict):
            raise CannotSign("the body is no message of SNS")
        topics = sorted(unsent.endpoint.topics)
        message |= {"Timestamp": written(unsent.at, "iso8601")}
        message |= {"TopicArn": topics[0]} if topics else {}
        message |= {"SigningCertURL": _EXAMPLE_CERTIFICATE}
        try:
            signed = sign_message(message, unsent.key)
        except ValueError as error:
            raise CannotSign(str(error)) from None
        return Signed(dict(unsent.headers), msgspec.json.encode(signed), unsent.query)

    def check(self, secret: Secret) -> None:  # noqa: ARG002
        """Refuse a secret, which nobody would look at.

        Raises:
            ValueError: Always.
        """
        raise ValueError("AWS signs with a certificate, so there is no secret")


class PayPalVerifier:
    """Verifies transmissions of PayPal for the webhook that an endpoint names.

    Args:
        scheme: Has no choice but how old a transmission may be.
    """

    def __init__(self, scheme: PayPalSignature) -> None:
        del scheme

    def examine(self, headers: Mapping[str, str]) -> Claim:
        """Refuse what has no signature; all of it is read from the headers later."""
        if headers.get("paypal-transmission-sig") is None:
            refuse("signature_missing")
        return NO_CLAIM

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a transmission unless PayPal made it for the endpoint's webhook.

        Raises:
            SignatureRefused: With the reason.
        """
        transmission = _transmission(delivery.headers)
        if delivery.certificate is None:
            refuse("signature_malformed")
        if not verify_transmission(
            transmission,
            delivery.body,
            delivery.endpoint.webhook_id or "",
            delivery.certificate.pem,
            roots=delivery.certificate.roots,
            now_seconds=delivery.received_at_ms / 1000,
        ):
            refuse("signature_mismatch")
        return _check_time(delivery, transmission.time)

    def sign(self, unsent: Unsent) -> Signed:
        """Sign as PayPal does, with a key whose certificate the endpoint has by file.

        Raises:
            CannotSign: There is no key.
        """
        if unsent.key is None:
            raise CannotSign("PayPal signs with its own certificate; a private key is needed")
        try:
            headers = sign_transmission(
                unsent.body,
                unsent.endpoint.webhook_id or "",
                unsent.key,
                id_=unsent.event_id.replace("_", "-"),
                time=written(unsent.at, "iso8601"),
            )
        except ValueError as error:
            raise CannotSign(str(error)) from None
        named = {name.lower(): value for name, value in headers.items()}
        named["paypal-cert-url"] = _EXAMPLE_PAYPAL_CERTIFICATE
        return Signed({**unsent.headers, **named}, unsent.body, unsent.query)

    def check(self, secret: Secret) -> None:  # noqa: ARG002
        """Refuse a secret, which nobody would look at.

        Raises:
            ValueError: Always.
        """
        raise ValueError("PayPal signs with a certificate, so there is no secret")


def _transmission(headers: Mapping[str, str]) -> Transmission:
    def header(name: str) -> str:
        return headers.get(f"paypal-{name}", "").strip()

    return Transmission(
        id=header("transmission-id"),
        time=header("transmission-time"),
        algorithm=header("auth-algo"),
        signature=header("transmission-sig"),
    )


def _check_time(delivery: Delivery, timestamp: str) -> Proved:
    signed_at_ms = _read_time(timestamp)
    if signed_at_ms is None:
        refuse("signature_malformed")
    is_late = check_age(delivery.endpoint, signed_at_ms, delivery)
    return Proved(timestamp, is_late=is_late)
