"""Senders of whom nobody has another implementation, as their pages say that they sign.

Written from those pages with the standard library and ``cryptography``, and not with our signing:
a preset whose formula is misread would take what it signs itself all the same.
"""

import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from multidict import CIMultiDict

from relay.contract.errors import SignatureRefused
from relay.delivery import Delivery
from relay.endpoint import Endpoint, Secret
from relay.providers import PROVIDERS
from relay.verify import examine_head, verify
from tests.making import NOW, NOW_MS

SECRET = "test_secret"
URL = "https://example.com/hook"
BODY = b'{"id":"evt_1","type":"test"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a sender sends.

    Args:
        headers: With the proof, if that stands there.
        body: With the proof, if that stands there.
        secret: What its customer knows.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = BODY
    secret: str = SECRET


def digest(content: bytes, algorithm: str = "sha256") -> bytes:
    """Give the HMAC of a content."""
    return hmac.new(SECRET.encode(), content, algorithm).digest()


def b64(value: bytes) -> str:
    """Write bytes as most senders do."""
    return b64encode(value).decode()


def packed(value: bytes) -> str:
    """Write bytes as tokens have them."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _standard_webhooks() -> Sent:
    private = ed25519.Ed25519PrivateKey.generate()
    signature = private.sign(f"msg_1.{NOW}.".encode() + BODY)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(NOW),
        "webhook-signature": f"v1a,{b64(signature)}",
    }
    return Sent(headers=headers, secret="whpk_" + b64(private.public_key().public_bytes_raw()))


def _plaid() -> Sent:
    private = ec.generate_private_key(ec.SECP256R1())
    head = {"alg": "ES256", "kid": "6c5516e1-92dc-479e-a8ff-5a51992e0001", "typ": "JWT"}
    claims = {"iat": NOW, "request_body_sha256": hashlib.sha256(BODY).hexdigest()}
    content = ".".join(packed(json.dumps(part).encode()) for part in (head, claims))
    r, s = decode_dss_signature(private.sign(content.encode(), ec.ECDSA(SHA256())))
    token = f"{content}.{packed(r.to_bytes(32) + s.to_bytes(32))}"
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Sent(headers={"plaid-verification": token}, secret=public.decode())


def _adyen() -> Sent:
    # The HMAC's key is what the hex stands for.
    values = ["1234", "", "Merchant", "order-1", "1000", "EUR", "AUTHORISATION", "true"]
    signature = hmac.new(b"\x44\xaa" * 16, ":".join(values).encode(), "sha256").digest()
    item = {
        "additionalData": {"hmacSignature": b64(signature)},
        "pspReference": "1234",
        "merchantAccountCode": "Merchant",
        "merchantReference": "order-1",
        "amount": {"value": 1000, "currency": "EUR"},
        "eventCode": "AUTHORISATION",
        "success": "true",
    }
    body = json.dumps({"notificationItems": [{"NotificationRequestItem": item}]})
    return Sent(body=body.encode(), secret="44AA" * 16)


FORMULAS: dict[str, Callable[[], Sent]] = {
    "adyen": _adyen,
    "asana": lambda: Sent(headers={"X-Hook-Signature": digest(BODY).hex()}),
    "attio": lambda: Sent(headers={"Attio-Signature": digest(BODY).hex()}),
    "cloudevents": lambda: Sent(headers={"Authorization": f"Bearer {SECRET}"}),
    "customerio": lambda: Sent(
        headers={
            "X-CIO-Timestamp": str(NOW),
            "X-CIO-Signature": digest(f"v0:{NOW}:".encode() + BODY).hex(),
        }
    ),
    "helpscout": lambda: Sent(headers={"X-HelpScout-Signature": b64(digest(BODY, "sha1"))}),
    "microsoft-graph": lambda: Sent(
        body=json.dumps({"value": [{"clientState": SECRET, "changeType": "created"}]}).encode()
    ),
    "okta": lambda: Sent(headers={"Authorization": SECRET}),
    "plaid": _plaid,
    "segment": lambda: Sent(headers={"X-Signature": digest(BODY, "sha1").hex()}),
    "standard-webhooks-ed25519": _standard_webhooks,
    "trello": lambda: Sent(headers={"X-Trello-Webhook": b64(digest(BODY + URL.encode(), "sha1"))}),
    "typeform": lambda: Sent(headers={"Typeform-Signature": f"sha256={b64(digest(BODY))}"}),
    "x": lambda: Sent(headers={"X-Twitter-Webhooks-Signature": f"sha256={b64(digest(BODY))}"}),
    "zendesk": lambda: Sent(
        headers={
            "X-Zendesk-Webhook-Signature-Timestamp": "2026-10-12T09:14:08Z",
            "X-Zendesk-Webhook-Signature": b64(digest(b"2026-10-12T09:14:08Z" + BODY)),
        }
    ),
}


def accepted(name: str, sent: Sent, secret: str, query: str = "") -> bool:
    """Say whether a preset takes what was sent, at an endpoint with a secret."""
    endpoint = Endpoint(
        name="hook",
        provider=PROVIDERS[name],
        secrets=(Secret(secret, "env:TEST"),),
        public_url=URL,
    )
    headers = CIMultiDict(sent.headers)
    try:
        delivery = Delivery(
            endpoint=endpoint,
            claim=examine_head(endpoint, headers),
            headers=headers,
            query=query,
            body=sent.body,
            received_at_ms=NOW_MS,
        )
        verify(delivery)
    except SignatureRefused:
        return False
    return True


@pytest.mark.parametrize("name", FORMULAS)
def test_what_a_sender_signs_by_its_page_is_taken(name: str) -> None:
    """And not with the secret of somebody else who signs so."""
    sent, other = FORMULAS[name](), FORMULAS[name]()
    is_public = sent.secret != other.secret
    another = other.secret if is_public else "55BB" * 16

    assert accepted(name, sent, sent.secret)
    assert not accepted(name, sent, another)


@pytest.mark.parametrize(("count", "is_taken"), [(0, True), (600, True), (700, False)])
def test_a_url_is_decoded_as_hubspot_does_up_to_a_length(count: int, is_taken: bool) -> None:  # noqa: FBT001
    """No hook's URL is that long, and to decode a stranger's would cost more than all the rest."""
    query = "a=%2f%3F%20" + "%3a" * count
    decoded = "a=/?%20" + ":" * count
    signed = f"POST{URL}?{decoded}".encode() + BODY + f"{NOW}000".encode()
    sent = Sent(
        headers={
            "X-HubSpot-Request-Timestamp": f"{NOW}000",
            "X-HubSpot-Signature-v3": b64(digest(signed)),
        }
    )

    assert accepted("hubspot", sent, SECRET, query) is is_taken


@pytest.mark.parametrize(
    ("query", "is_taken"),
    [
        ("bodySHA256={}", True),
        ("a=1&bodySHA256={}", True),
        ("bodySHA256={}&a=1", False),
        ("abodySHA256={}", False),
        ("bodySHA256={}0", False),
        ("body%53HA256={}", False),
    ],
)
def test_twilios_digest_stands_in_the_query_under_its_name(query: str, is_taken: bool) -> None:  # noqa: FBT001
    """As Twilio writes it; under another name the body is taken for a form."""
    query = query.format(hashlib.sha256(BODY).hexdigest())
    sent = Sent(headers={"X-Twilio-Signature": b64(digest(f"{URL}?{query}".encode(), "sha1"))})

    assert accepted("twilio", sent, SECRET, query) is is_taken
