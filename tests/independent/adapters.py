"""Asks implementations in Python how they sign and verify: a line is a question, or an answer.

Runs in the environment where those implementations are, which is none of ours. An adapter calls
what its library offers and computes nothing itself, so that no formula of ours judges ours.
"""

import base64
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TextIO
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked; attributes that an implementation does not need are empty.

    Args:
        implementation: Its name here.
        do: ``sign`` or ``verify``.
        body_b64: The body's bytes.
        headers: With names in lower case.
        timestamp: Unix seconds, to sign.
        id: Of the delivery, or whatever else beside the secret the receiver knows.
        public_key: As the sender shows it.
        private_key: PEM.
        certificate: PEM.
    """

    implementation: str
    do: str
    body_b64: str
    secret: str
    headers: dict[str, str]
    url: str
    method: str
    timestamp: int
    id: str
    public_key: str
    private_key: str
    certificate: str

    @property
    def body(self) -> bytes:
        """The bytes that are signed."""
        return base64.b64decode(self.body_b64)

    @property
    def text(self) -> str:
        """The body for whoever wants no bytes."""
        return self.body.decode()

    def header(self, name: str) -> str:
        """Give a header, or nothing where it is missing."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Verifying:
    """How an implementation verifies.

    Args:
        call: Gives whether it accepts, or raises.
        refuses: Names of the exceptions by which it refuses.
    """

    call: Callable[[Question], Any]
    refuses: tuple[str, ...]


Signer = Callable[[Question], dict[str, Any]]
VERIFIERS: dict[str, Verifying] = {}
SIGNERS: dict[str, Signer] = {}


def verifies(
    *names: str, refuses: tuple[str, ...] = ()
) -> Callable[[Callable[[Question], Any]], Callable[[Question], Any]]:
    """Say for which implementations a function verifies."""

    def known(call: Callable[[Question], Any]) -> Callable[[Question], Any]:
        VERIFIERS.update(dict.fromkeys(names, Verifying(call, refuses)))
        return call

    return known


def signs(*names: str) -> Callable[[Signer], Signer]:
    """Say for which implementations a function signs."""

    def known(call: Signer) -> Signer:
        SIGNERS.update(dict.fromkeys(names, call))
        return call

    return known


# Stripe, and a sender whose signature has the same shape in a header of another name.
STRIPE_HEADERS = {
    "stripe": "stripe-signature",
    "stripe/calendly": "calendly-webhook-signature",
    "stripe/revenuecat": "x-revenuecat-webhook-signature",
    "stripe/whereby": "whereby-signature",
}


@verifies(*STRIPE_HEADERS, refuses=("SignatureVerificationError",))
def _stripe(asked: Question) -> Any:
    signature = asked.header(STRIPE_HEADERS[asked.implementation])
    stripe = import_module("stripe")
    return stripe.WebhookSignature.verify_header(asked.body, signature, asked.secret, 300)


@signs(*STRIPE_HEADERS)
def _stripe_signs(asked: Question) -> dict[str, Any]:
    generate = import_module("stripe").WebhookSignature.generate_signature_header
    name = STRIPE_HEADERS[asked.implementation]
    return {"headers": {name: generate(asked.text, asked.secret, asked.timestamp)}}


@verifies("slack-sdk")
def _slack(asked: Question) -> Any:
    verifier = import_module("slack_sdk.signature").SignatureVerifier(asked.secret)
    return verifier.is_valid_request(asked.body, asked.headers)


@signs("slack-sdk")
def _slack_signs(asked: Question) -> dict[str, Any]:
    verifier = import_module("slack_sdk.signature").SignatureVerifier(asked.secret)
    at = str(asked.timestamp)
    signature = verifier.generate_signature(timestamp=at, body=asked.body)
    return {"headers": {"x-slack-request-timestamp": at, "x-slack-signature": signature}}


@verifies("slack-sdk/customerio")
def _customerio(asked: Question) -> Any:
    verifier = import_module("slack_sdk.signature").SignatureVerifier(asked.secret)
    signature = f"v0={asked.header('x-cio-signature')}"
    return verifier.is_valid(asked.body, asked.header("x-cio-timestamp"), signature)


def _twilio_parameters(asked: Question) -> Any:
    """Give what Twilio's library takes: a form with names that may come twice, or a text."""
    if asked.header("content-type") != "application/x-www-form-urlencoded":
        return asked.text
    pairs = parse_qsl(asked.text, keep_blank_values=True)
    return import_module("multidict").MultiDict(pairs)


@verifies("twilio", "twilio/json")
def _twilio(asked: Question) -> Any:
    validator = import_module("twilio.request_validator").RequestValidator(asked.secret)
    signature = asked.header("x-twilio-signature")
    return validator.validate(asked.url, _twilio_parameters(asked), signature)


@signs("twilio", "twilio/json")
def _twilio_signs(asked: Question) -> dict[str, Any]:
    """Sign a form, or a URL that holds the digest of what is no form."""
    validator = import_module("twilio.request_validator").RequestValidator(asked.secret)
    parameters = {} if asked.implementation == "twilio/json" else _twilio_parameters(asked)
    signature = validator.compute_signature(asked.url, parameters)
    return {"headers": {"x-twilio-signature": signature}}


@verifies("sendgrid")
def _sendgrid(asked: Question) -> Any:
    webhook = import_module("sendgrid.helpers.eventwebhook").EventWebhook(asked.public_key)
    signature = asked.header("x-twilio-email-event-webhook-signature")
    at = asked.header("x-twilio-email-event-webhook-timestamp")
    return webhook.verify_signature(asked.text, signature, at)


# By implementation: its module, and what the names of its headers begin with.
STANDARD = {
    "standardwebhooks": ("standardwebhooks", "webhook"),
    "standardwebhooks/gitlab": ("standardwebhooks", "webhook"),
    "svix": ("svix.webhooks", "svix"),
    "svix/standard": ("svix.webhooks", "webhook"),
}


@verifies(*STANDARD, refuses=("WebhookVerificationError",))
def _standard(asked: Question) -> Any:
    module, _ = STANDARD[asked.implementation]
    return import_module(module).Webhook(asked.secret).verify(asked.body, asked.headers)


@signs(*STANDARD)
def _standard_signs(asked: Question) -> dict[str, Any]:
    module, prefix = STANDARD[asked.implementation]
    at = datetime.fromtimestamp(asked.timestamp, UTC)
    signature = import_module(module).Webhook(asked.secret).sign(asked.id, at, asked.text)
    headers = {"id": asked.id, "timestamp": str(asked.timestamp), "signature": signature}
    return {"headers": {f"{prefix}-{name}": value for name, value in headers.items()}}


@verifies("resend", refuses=("ValueError",))
def _resend(asked: Question) -> Any:
    headers = {name: asked.header(f"svix-{name}") for name in ("id", "timestamp", "signature")}
    options = {"payload": asked.text, "headers": headers, "webhook_secret": asked.secret}
    return import_module("resend").Webhooks.verify(options)


@verifies("discord-interactions")
def _discord(asked: Question) -> Any:
    signature, at = asked.header("x-signature-ed25519"), asked.header("x-signature-timestamp")
    verify = import_module("discord_interactions").verify_key
    return verify(asked.body, signature, at, asked.public_key)


@verifies("gidgethub", refuses=("ValidationFailure",))
def _github(asked: Question) -> Any:
    validate = import_module("gidgethub.sansio").validate_event
    signature = asked.header("x-hub-signature-256")
    return validate(asked.body, signature=signature, secret=asked.secret)


@verifies("gidgetlab", refuses=("ValidationFailure",))
def _gitlab(asked: Question) -> Any:
    event = import_module("gidgetlab.sansio").Event
    return event.from_http(asked.headers, asked.body, secret=asked.secret)


@verifies("razorpay", refuses=("SignatureVerificationError",))
def _razorpay(asked: Question) -> Any:
    utility = import_module("razorpay.utility").Utility()
    signature = asked.header("x-razorpay-signature")
    return utility.verify_webhook_signature(asked.text, signature, asked.secret)


@verifies("livekit-api", refuses=("InvalidSignatureError", "Exception"))
def _livekit(asked: Question) -> Any:
    verifier = import_module("livekit.api.access_token").TokenVerifier(asked.id, asked.secret)
    receiver = import_module("livekit.api.webhook").WebhookReceiver(verifier)
    return receiver.receive(asked.text, asked.header("authorization"))


@verifies("vonage-jwt")
def _vonage(asked: Question) -> Any:
    token = asked.header("authorization").removeprefix("Bearer ")
    return import_module("vonage_jwt").verify_signature(token, asked.secret)


@verifies("adyen")
def _adyen(asked: Question) -> Any:
    valid = import_module("Adyen.util").is_valid_hmac_notification
    return valid(json.loads(asked.body), asked.secret)


@signs("adyen")
def _adyen_signs(asked: Question) -> dict[str, Any]:
    told = json.loads(asked.body)
    item = told["notificationItems"][0]["NotificationRequestItem"]
    signature = import_module("Adyen.util").generate_notification_sig(item, asked.secret).decode()
    item["additionalData"] = {"hmacSignature": signature}
    return {"headers": {}, "body_b64": base64.b64encode(json.dumps(told).encode()).decode()}


@verifies("gocardless-pro", refuses=("InvalidSignatureError",))
def _gocardless(asked: Question) -> Any:
    parse = import_module("gocardless_pro.webhooks").parse
    return parse(asked.body, asked.secret, asked.header("webhook-signature"))


@verifies("coinbase-commerce", refuses=("SignatureVerificationError",))
def _coinbase(asked: Question) -> Any:
    signature = import_module("coinbase_commerce.webhook").WebhookSignature
    given = asked.header("x-cc-webhook-signature")
    return signature.verify_sig_header(asked.text, given, asked.secret)


@verifies("hubspot-api-client")
def _hubspot(asked: Question) -> Any:
    return import_module("hubspot.utils.signature").Signature.is_valid(
        asked.header("x-hubspot-signature-v3"),
        asked.secret,
        asked.text,
        asked.url,
        asked.method,
        "v3",
        asked.header("x-hubspot-request-timestamp"),
    )


@signs("hubspot-api-client")
def _hubspot_signs(asked: Question) -> dict[str, Any]:
    at = str(asked.timestamp * 1000)
    signature = import_module("hubspot.utils.signature").Signature.get_signature(
        asked.secret, asked.text, "v3", asked.url, asked.method, at
    )
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": at}
    return {"headers": headers}


@verifies("squareup")
def _square(asked: Question) -> Any:
    return import_module("square.utils.webhooks_helper").verify_signature(
        request_body=asked.text,
        signature_header=asked.header("x-square-hmacsha256-signature"),
        signature_key=asked.secret,
        notification_url=asked.url,
    )


@verifies("paddle-python-sdk", refuses=("ConnectionRefusedError",))
def _paddle(asked: Question) -> Any:
    notifications = import_module("paddle_billing.Notifications")
    headers = {"Paddle-Signature": asked.header("paddle-signature")}
    request = SimpleNamespace(body=asked.body, headers=headers)
    # Five seconds by default, which is too little for a machine that is busy.
    return notifications.Verifier(300).verify(request, notifications.Secret(asked.secret))


@verifies("pywa")
def _meta(asked: Question) -> Any:
    validate = import_module("pywa.utils").webhook_updates_validator
    return validate(asked.secret, asked.body, asked.header("x-hub-signature-256"))


@verifies("django-anymail/mailgun", refuses=("AnymailWebhookValidationFailure",))
def _mailgun(asked: Question) -> Any:
    request = _django_request(asked)
    view = import_module("anymail.webhooks.mailgun").MailgunTrackingWebhookView
    return view(webhook_signing_key=asked.secret).run_validators(request)


@verifies("django-anymail/postmark", refuses=("AnymailWebhookValidationFailure",))
def _postmark(asked: Question) -> Any:
    request = _django_request(asked)
    view = import_module("anymail.webhooks.postmark").PostmarkTrackingWebhookView
    return view(webhook_secret=asked.secret).run_validators(request)


def _django_request(asked: Question) -> Any:
    settings = import_module("django.conf").settings
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"])
    factory = import_module("django.test").RequestFactory(headers=asked.headers)
    return factory.post("/", data=asked.body, content_type="application/json")


def _paypal_content(asked: Question) -> bytes:
    """Give what PayPal signs; ``id`` is the webhook's, which no header says."""
    event = import_module("paypalrestsdk.notifications").WebhookEvent
    content = event._get_expected_sig(
        asked.header("paypal-transmission-id"),
        asked.header("paypal-transmission-time"),
        asked.id,
        asked.text,
    )
    return str(content).encode()


@verifies("paypalrestsdk", refuses=("InvalidSignature",))
def _paypal(asked: Question) -> Any:
    # The library's own check of a signature needs a pyOpenSSL that is no longer safe to install.
    certificate = import_module("cryptography.x509").load_pem_x509_certificate(
        asked.certificate.encode()
    )
    signature = base64.b64decode(asked.header("paypal-transmission-sig"))
    certificate.public_key().verify(signature, _paypal_content(asked), *_rsa_with_sha256())
    return True


@signs("paypalrestsdk")
def _paypal_signs(asked: Question) -> dict[str, Any]:
    serialization = import_module("cryptography.hazmat.primitives.serialization")
    key = serialization.load_pem_private_key(asked.private_key.encode(), None)
    signature = key.sign(_paypal_content(asked), *_rsa_with_sha256())
    told = {"paypal-transmission-sig": base64.b64encode(signature).decode()}
    return {"headers": asked.headers | told}


def _rsa_with_sha256() -> tuple[Any, Any]:
    padding = import_module("cryptography.hazmat.primitives.asymmetric.padding")
    return padding.PKCS1v15(), import_module("cryptography.hazmat.primitives.hashes").SHA256()


# ElevenLabs, and a sender whose signature has the same shape in a header of another name.
ELEVENLABS_HEADERS = {
    "elevenlabs": "elevenlabs-signature",
    "elevenlabs/unipile": "unipile-signature",
}


@verifies(*ELEVENLABS_HEADERS, refuses=("BadRequestError",))
def _elevenlabs(asked: Question) -> Any:
    client = import_module("elevenlabs.webhooks_custom").WebhooksClient(client_wrapper=None)
    signature = asked.header(ELEVENLABS_HEADERS[asked.implementation])
    return client.construct_event(asked.text, signature, asked.secret)


@verifies("box-sdk-gen")
def _box(asked: Question) -> Any:
    manager = import_module("box_sdk_gen.managers.webhooks").WebhooksManager
    return manager.validate_message(asked.text, asked.headers, asked.secret)


def answer(line: str) -> dict[str, Any]:
    """Answer one question; whatever goes wrong is told by its type."""
    asked = Question(**json.loads(line))
    try:
        if asked.do == "list":
            return {"verify": sorted(VERIFIERS), "sign": sorted(SIGNERS)}
        if asked.do == "sign":
            return {"ok": True, **SIGNERS[asked.implementation](asked)}
        return {"ok": _accepted(asked)}
    except Exception as exc:  # noqa: BLE001 - libraries of others; the asker judges
        return {"error": type(exc).__name__}


def _accepted(asked: Question) -> bool:
    verifying = VERIFIERS[asked.implementation]
    try:
        result = verifying.call(asked)
    except Exception as exc:
        if type(exc).__name__ in verifying.refuses:
            return False
        raise
    # One that refuses by an exception may give anything else, also nothing.
    return result is True or (bool(verifying.refuses) and result is not False)


def serve(questions: TextIO, answers: TextIO) -> None:
    """Answer each line until there are no more."""
    for line in questions:
        answers.write(json.dumps(answer(line)) + "\n")
        answers.flush()


if __name__ == "__main__":
    # Some libraries print; standard output is for answers alone.
    OUT = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, OUT)
