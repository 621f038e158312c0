"""A genuine delivery for each implementation: the senders' descriptions, and not our code.

Every body has the text ``NOTE`` in it, which may be changed without harm to its form.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.independent.ask import Question
from tests.independent.implementations import IMPLEMENTATIONS
from tests.independent.keys import Keys

URL = "https://example.com/hook"
JSON = "application/json"
TOPIC = "arn:aws:sns:us-west-2:123456789012:topic"

Genuine = Callable[[Keys, int], Question]


def changed(body: bytes) -> bytes:
    """Give a body with one bit changed, of the same form."""
    at = body.index(b"NOTE")
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def genuine(name: str, keys: Keys, now: int) -> Question:
    """Give a delivery that an implementation accepts, with what its receiver knows.

    Args:
        name: Of the implementation.
        keys: The sender's.
        now: Unix seconds.
    """
    made = _BY_NAME.get(name) or _BY_PRESET[IMPLEMENTATIONS[name].preset]
    return made(keys, now)


def _hmac(secret: str | bytes, content: bytes, algorithm: str = "sha256") -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, content, algorithm).digest()


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _json(**fields: Any) -> bytes:
    told = {"id": "evt_1", "type": "test", "note": "NOTE"} | fields
    return json.dumps(told, separators=(",", ":")).encode()


def _hex_over_body(
    header: str, *, prefix: str = "", algorithm: str = "sha256", **fields: Any
) -> Genuine:
    """Make senders of a hexadecimal HMAC over the body."""

    def made(keys: Keys, now: int) -> Question:
        body = _json(**fields)
        signature = prefix + _hmac(keys.secret, body, algorithm).hex()
        return Question(body=body, headers={header: signature}, secret=keys.secret)

    return made


def _b64_over_body(header: str, others: Mapping[str, str] | None = None) -> Genuine:
    """Make senders of an HMAC in base64 over the body."""

    def made(keys: Keys, now: int) -> Question:
        body = _json()
        headers = {header: _b64(_hmac(keys.secret, body)), **(others or {})}
        return Question(body=body, headers=headers, secret=keys.secret)

    return made


def _in_one_header(header: str, form: str, signed: str = "{at}.", unit: int = 1) -> Genuine:
    """Make senders of a header with a time and a hexadecimal HMAC over time and body.

    Args:
        header: Its name.
        form: Its value, with ``{at}`` and ``{signature}``.
        signed: What is signed before the body, with ``{at}``.
        unit: By how much a second is multiplied.
    """

    def made(keys: Keys, now: int) -> Question:
        at, body = now * unit, _json(event="dsync.deleted")
        signature = _hmac(keys.secret, signed.format(at=at).encode() + body).hex()
        value = form.format(at=at, signature=signature)
        return Question(body=body, headers={header: value}, secret=keys.secret)

    return made


def _in_two_headers(
    header: str, at_header: str, *, prefix: str = "", signed: str, unit: int = 1
) -> Genuine:
    """Make senders of a time and a hexadecimal HMAC in a header each."""

    def made(keys: Keys, now: int) -> Question:
        body = _json(event="test", payload={}, event_ts=now)
        at = now * unit
        signature = prefix + _hmac(keys.secret, signed.format(at=at).encode() + body).hex()
        headers = {header: signature, at_header: str(at)}
        return Question(body=body, headers=headers, secret=keys.secret)

    return made


def _standard(prefix: str) -> Genuine:
    """Make senders of Standard Webhooks."""

    def made(keys: Keys, now: int) -> Question:
        body = _json()
        signature = "v1," + _b64(_hmac(keys.secret, f"msg_1.{now}.".encode() + body))
        told = {"id": "msg_1", "timestamp": str(now), "signature": signature}
        headers = {f"{prefix}-{name}": value for name, value in told.items()}
        return Question(body=body, headers=headers, secret=keys.whsec, id="msg_1")

    return made


def _token(
    header: str, value: str = "{secret}", others: Mapping[str, str] | None = None
) -> Genuine:
    """Make senders that sign nothing and send what both know."""

    def made(keys: Keys, now: int) -> Question:
        headers = {"content-type": JSON, header: value.format(secret=keys.secret)}
        body = _json(update_id=1)
        return Question(body=body, headers=headers | dict(others or {}), secret=keys.secret)

    return made


def _jwt(
    header: str, value: str, digest: Callable[[bytes], dict[str, str]], issuer: str
) -> Genuine:
    """Make senders of a JWT, signed with HMAC-SHA256, that may hold a digest of the body."""

    def made(keys: Keys, now: int) -> Question:
        body = _json(event="room_started")
        claims = {"iss": issuer, "iat": now, "exp": now + 60, **digest(body)}
        parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        content = ".".join(_b64url(part) for part in parts)
        token = f"{content}.{_b64url(_hmac(keys.secret, content.encode()))}"
        headers = {header: value.format(token=token)}
        return Question(body=body, headers=headers, secret=keys.secret, id=issuer)

    return made


def _iso(now: int, end: str) -> str:
    """Write a time as far as its seconds, and then a text."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S") + end


def _b64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _linear(keys: Keys, now: int) -> Question:
    return _hex_over_body("linear-signature", webhookTimestamp=now * 1000)(keys, now)


def _twilio(keys: Keys, now: int) -> Question:
    body = b"To=%2B18005551212&Digits=1234&From=%2B14158675309&Text=NOTE+caf%C3%A9"
    signed = f"{URL}?a=1Digits1234From+14158675309TextNOTE caféTo+18005551212"
    signature = _b64(_hmac(keys.secret, signed.encode(), "sha1"))
    form = {"content-type": "application/x-www-form-urlencoded"}
    headers = form | {"x-twilio-signature": signature}
    return Question(body=body, headers=headers, secret=keys.secret, url=f"{URL}?a=1")


def _twilio_json(keys: Keys, now: int) -> Question:
    body = _json()
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = _b64(_hmac(keys.secret, url.encode(), "sha1"))
    headers = {"content-type": JSON, "x-twilio-signature": signature}
    return Question(body=body, headers=headers, secret=keys.secret, url=url)


def _square(keys: Keys, now: int) -> Question:
    body = _json()
    signature = _b64(_hmac(keys.secret, URL.encode() + body))
    headers = {"x-square-hmacsha256-signature": signature}
    return Question(body=body, headers=headers, secret=keys.secret, url=URL)


def _hubspot(keys: Keys, now: int) -> Question:
    body, at = _json(), str(now * 1000)
    signature = _b64(_hmac(keys.secret, f"POST{URL}".encode() + body + at.encode()))
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": at}
    return Question(body=body, headers=headers, secret=keys.secret, url=URL)


def _retell(keys: Keys, now: int) -> Question:
    body, at = _json(), now * 1000
    signature = _hmac(keys.secret, body + str(at).encode()).hex()
    headers = {"x-retell-signature": f"v={at},d={signature}"}
    return Question(body=body, headers=headers, secret=keys.secret)


def _sanity(keys: Keys, now: int) -> Question:
    body, at = _json(), now * 1000
    signature = _b64url(_hmac(keys.secret, f"{at}.".encode() + body))
    headers = {"sanity-webhook-signature": f"t={at},v1={signature}"}
    return Question(body=body, headers=headers, secret=keys.secret)


def _box(keys: Keys, now: int) -> Question:
    body, at = _json(), _iso(now, "-00:00")
    headers = {
        "box-delivery-timestamp": at,
        "box-signature-version": "1",
        "box-signature-algorithm": "HmacSHA256",
        "box-signature-primary": _b64(_hmac(keys.secret, body + at.encode())),
    }
    return Question(body=body, headers=headers, secret=keys.secret)


def _mailgun(keys: Keys, now: int) -> Question:
    signature = _hmac(keys.secret, f"{now}tok123".encode()).hex()
    told = {"timestamp": str(now), "token": "tok123", "signature": signature}
    body = _json(signature=told)
    return Question(body=body, headers={"content-type": JSON}, secret=keys.secret)


def _postmark(keys: Keys, now: int) -> Question:
    secret = f"user:{keys.secret}"
    headers = {"authorization": f"Basic {_b64(secret.encode())}", "content-type": JSON}
    return Question(body=_json(), headers=headers, secret=secret)


def _adyen(keys: Keys, now: int) -> Question:
    item: dict[str, Any] = {
        "pspReference": "7914073381342284",
        "merchantAccountCode": "TestMerchant",
        "merchantReference": "NOTE",
        "amount": {"value": 1130, "currency": "EUR"},
        "eventCode": "AUTHORISATION",
        "success": "true",
    }
    signed = "7914073381342284::TestMerchant:NOTE:1130:EUR:AUTHORISATION:true"
    signature = _b64(_hmac(bytes.fromhex(keys.hexadecimal), signed.encode()))
    item["additionalData"] = {"hmacSignature": signature}
    body = json.dumps({"notificationItems": [{"NotificationRequestItem": item}]}).encode()
    return Question(body=body, headers={}, secret=keys.hexadecimal)


def _sendgrid(keys: Keys, now: int) -> Question:
    body = b"[" + _json() + b"]\r\n"
    signature = _b64(keys.sign("p256", str(now).encode() + body))
    prefix = "x-twilio-email-event-webhook"
    headers = {f"{prefix}-signature": signature, f"{prefix}-timestamp": str(now)}
    return Question(body=body, headers=headers, public_key=_b64(keys.public("p256")))


def _discord(keys: Keys, now: int) -> Question:
    body = _json()
    signature = keys.sign("ed25519", str(now).encode() + body).hex()
    headers = {"x-signature-ed25519": signature, "x-signature-timestamp": str(now)}
    return Question(body=body, headers=headers, public_key=keys.public("ed25519")[-32:].hex())


def _telnyx(keys: Keys, now: int) -> Question:
    body = _json()
    signature = _b64(keys.sign("ed25519", f"{now}|".encode() + body))
    headers = {"telnyx-signature-ed25519": signature, "telnyx-timestamp": str(now)}
    return Question(body=body, headers=headers, public_key=_b64(keys.public("ed25519")[-32:]))


def _sns(keys: Keys, now: int) -> Question:
    told = {
        "Message": "NOTE",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "Subject": "subject",
        "Timestamp": _iso(now, ".678Z"),
        "TopicArn": TOPIC,
        "Type": "Notification",
    }
    signed = "".join(f"{name}\n{value}\n" for name, value in told.items())
    # By its address a certificate is remembered.
    certificate = keys.certificate
    name = hashlib.md5(certificate.encode()).hexdigest()
    host = "https://sns.us-west-2.amazonaws.com"
    unsigned = {
        "Signature": _b64(keys.sign("rsa", signed.encode())),
        "SignatureVersion": "2",
        "SigningCertURL": f"{host}/SimpleNotificationService-{name}.pem",
    }
    body = json.dumps(told | unsigned).encode()
    return Question(body=body, headers={}, certificate=certificate)


def _paypal(keys: Keys, now: int) -> Question:
    body, at = _json(), _iso(now, "Z")
    certificates = "https://api.paypal.com/v1/notifications/certs"
    told = {
        "paypal-transmission-id": "d1bd1ae0-5f64-11ee-a2ba-3dff5a8b1a2c",
        "paypal-transmission-time": at,
        "paypal-auth-algo": "SHA256withRSA",
        "paypal-cert-url": f"{certificates}/CERT-360caa42-fca2a594-1d93a270",
    }
    signed = f"{told['paypal-transmission-id']}|{at}|WH-1|{binascii.crc32(body)}"
    signature = _b64(keys.sign("rsa", signed.encode()))
    return Question(
        body=body,
        headers=told | {"paypal-transmission-sig": signature},
        id="WH-1",
        certificate=keys.certificate,
        private_key=keys.private("rsa"),
    )


_BY_NAME: dict[str, Genuine] = {"twilio/json": _twilio_json}

_BY_PRESET: dict[str, Genuine] = {
    "adyen": _adyen,
    "aws-sns": _sns,
    "bitbucket": _hex_over_body("x-hub-signature", prefix="sha256="),
    "box": _box,
    "calcom": _hex_over_body("x-cal-signature-256"),
    "calendly": _in_one_header("calendly-webhook-signature", "t={at},v1={signature}"),
    "coinbase-commerce": _hex_over_body("x-cc-webhook-signature"),
    "customerio": _in_two_headers("x-cio-signature", "x-cio-timestamp", signed="v0:{at}:"),
    "discord": _discord,
    "docusign": _b64_over_body("x-docusign-signature-1"),
    "dropbox": _hex_over_body("x-dropbox-signature"),
    "elevenlabs": _in_one_header("elevenlabs-signature", "t={at},v0={signature}"),
    "github": _hex_over_body("x-hub-signature-256", prefix="sha256="),
    "gitlab": _token("x-gitlab-token", others={"x-gitlab-event": "Push Hook"}),
    "gitlab-signed": _standard("webhook"),
    "gocardless": _hex_over_body("webhook-signature", events=[]),
    "hubspot": _hubspot,
    "intercom": _hex_over_body("x-hub-signature", prefix="sha1=", algorithm="sha1"),
    "jira": _hex_over_body("x-hub-signature", prefix="sha256="),
    "lemonsqueezy": _hex_over_body("x-signature"),
    "linear": _linear,
    "livekit": _jwt(
        "authorization",
        "{token}",
        lambda body: {"sha256": _b64(hashlib.sha256(body).digest())},
        "APIkey",
    ),
    "mailgun": _mailgun,
    "meta": _hex_over_body("x-hub-signature-256", prefix="sha256="),
    "netlify": _jwt(
        "x-webhook-signature",
        "{token}",
        lambda body: {"sha256": hashlib.sha256(body).hexdigest()},
        "netlify",
    ),
    "notion": _hex_over_body("x-notion-signature", prefix="sha256="),
    "paddle": _in_one_header("paddle-signature", "ts={at};h1={signature}", "{at}:"),
    "paypal": _paypal,
    "postmark": _postmark,
    "razorpay": _hex_over_body("x-razorpay-signature"),
    "retell": _retell,
    "revenuecat": _in_one_header("x-revenuecat-webhook-signature", "t={at},v1={signature}"),
    "sanity": _sanity,
    "sendgrid": _sendgrid,
    "sentry": _hex_over_body("sentry-hook-signature"),
    "shopify": _b64_over_body(
        "x-shopify-hmac-sha256",
        {
            "x-shopify-topic": "orders/create",
            "x-shopify-shop-domain": "example.myshopify.com",
            "x-shopify-api-version": "2026-01",
            "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        },
    ),
    "slack": _in_two_headers(
        "x-slack-signature", "x-slack-request-timestamp", prefix="v0=", signed="v0:{at}:"
    ),
    "square": _square,
    "standard-webhooks": _standard("webhook"),
    "stripe": _in_one_header("stripe-signature", "t={at},v1={signature}"),
    "svix": _standard("svix"),
    "telegram": _token("x-telegram-bot-api-secret-token"),
    "telnyx": _telnyx,
    "twilio": _twilio,
    "unipile": _in_one_header("unipile-signature", "t={at},v0={signature}"),
    "vercel": _hex_over_body("x-vercel-signature", algorithm="sha1"),
    "vonage": _jwt(
        "authorization",
        "Bearer {token}",
        lambda body: {"payload_hash": hashlib.sha256(body).hexdigest()},
        "Vonage",
    ),
    "webflow": _in_two_headers(
        "x-webflow-signature", "x-webflow-timestamp", signed="{at}:", unit=1000
    ),
    "whereby": _in_one_header("whereby-signature", "t={at},v1={signature}"),
    "workos": _in_one_header("workos-signature", "t={at}, v1={signature}", unit=1000),
    "zoom": _in_two_headers(
        "x-zm-signature", "x-zm-request-timestamp", prefix="v0=", signed="v0:{at}:"
    ),
}
