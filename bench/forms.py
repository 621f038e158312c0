"""How senders write and sign a delivery: a text with places in it for each of them.

All of it is written from the senders' descriptions and not with the relay's code. The places are
``<endpoint>``, ``<time>``, ``<id>``, ``<body>`` and ``<signature>``.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook;
https://docs.stripe.com/webhooks/signature;
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md;
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries;
https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.unipile import DIGEST_BYTES, HEADERS, ID_BYTES, body_around_id, head_of, secret_of

ENDPOINT_PLACE, SIGNATURE_PLACE, ID_PLACE = b"<endpoint>", b"<signature>", b"<id>"
TIME_PLACE, BODY_PLACE = b"<time>", b"<body>"
# Of a message as WhatsApp tells of it; the relay makes it part of the event's id.
_TOLD_AT = b"1790000000"
_SMALLEST_MESSAGE_BYTES = 600

Encoding = Callable[[bytes], bytes]


def _hex(digest: bytes) -> bytes:
    return digest.hex().encode()


def _shared_body(body_bytes: int) -> bytes:
    """Give the body that all send whose events are objects with an id and a type."""
    return ID_PLACE.join(body_around_id(body_bytes))


def _message_body(body_bytes: int) -> bytes:
    """Give one message in the arrays in which Meta sends messages of WhatsApp."""
    if body_bytes < _SMALLEST_MESSAGE_BYTES:
        raise ValueError(f"a message has at least {_SMALLEST_MESSAGE_BYTES} bytes")
    message = {
        "from": "49305550101",
        "id": "<id>",
        "timestamp": _TOLD_AT.decode(),
        "type": "text",
        "text": {"body": ""},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "49305550100", "phone_number_id": "106540352242922"},
        "contacts": [{"profile": {"name": "An Example"}, "wa_id": "49305550101"}],
        "messages": [message],
    }
    changes = [{"value": value, "field": "messages"}]
    entry = [{"id": "102290129340398", "changes": changes}]
    body = {"object": "whatsapp_business_account", "entry": entry}
    # An event's id is longer than its place.
    longer = ID_BYTES - len(ID_PLACE)
    missing = body_bytes - len(json.dumps(body, separators=(",", ":"))) - longer
    message["text"] = {"body": ("Hello, is the blue one still in stock? " * 99)[:missing]}
    return json.dumps(body, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one sender writes its deliveries.

    Args:
        headers: Those that are its own, each with an end of line.
        signed: What is signed.
        encoding: Writes a signature down.
        signature_bytes: How long it is then.
        body: Writes a body of so many bytes.
        id_ends: What the relay's id of an event has behind the one that was sent.
        no_fields: Which of the usual fields an entry has not got.
        more_fields: Which it has besides.
    """

    headers: bytes
    signed: bytes
    encoding: Encoding = _hex
    signature_bytes: int = DIGEST_BYTES
    body: Callable[[int], bytes] = _shared_body
    id_ends: bytes = b""
    no_fields: frozenset[bytes] = frozenset()
    more_fields: frozenset[bytes] = frozenset()

    @property
    def signs_time(self) -> bool:
        """Whether an old delivery can be told from a new one."""
        return TIME_PLACE in self.signed

    def request(self, signed_at: bytes, body: bytes) -> bytes:
        """Give a request of a body, with the places for endpoint, signature and id in it."""
        # An event's id is longer than its place.
        length = len(body) + (ID_BYTES - len(ID_PLACE)) * body.count(ID_PLACE)
        headers = self.headers.replace(TIME_PLACE, signed_at)
        return head_of(ENDPOINT_PLACE, headers, length) + body

    def message(self, signed_at: bytes, body: bytes) -> bytes:
        """Give what is signed of a body, with the places for the id in it."""
        return self.signed.replace(TIME_PLACE, signed_at).replace(BODY_PLACE, body)

    def stored_id(self, event_id: bytes) -> bytes:
        """Give the id under which an event is stored."""
        return event_id + self.id_ends


def secret_for(sender: str, endpoint: str) -> str:
    """Give the secret of an endpoint as its sender writes it; the key is the same for all."""
    secret = secret_of(endpoint)
    if sender != "standard-webhooks":
        return secret
    return f"whsec_{base64.b64encode(secret.encode()).decode()}"


FORMS: Mapping[str, Form] = {
    "unipile": Form(
        headers=HEADERS % (TIME_PLACE, SIGNATURE_PLACE),
        signed=b"<time>.<body>",
    ),
    "stripe": Form(
        headers=(
            b"user-agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
            b"stripe-signature: t=<time>,v1=<signature>\r\n"
        ),
        signed=b"<time>.<body>",
        # Stripe's account is a key of another name, and its time a number.
        no_fields=frozenset({b"account", b"time"}),
    ),
    "standard-webhooks": Form(
        headers=(
            b"user-agent: webhooks/1.0\r\nwebhook-id: <id>\r\nwebhook-timestamp: <time>\r\n"
            b"webhook-signature: v1,<signature>\r\n"
        ),
        signed=b"<id>.<time>.<body>",
        encoding=base64.b64encode,
        signature_bytes=44,
        no_fields=frozenset({b"account", b"time"}),
    ),
    "github": Form(
        headers=(
            b"user-agent: GitHub-Hookshot/044aadd\r\nx-github-delivery: <id>\r\n"
            b"x-github-event: push\r\nx-hub-signature-256: sha256=<signature>\r\n"
        ),
        signed=b"<body>",
        no_fields=frozenset({b"account", b"time"}),
    ),
    "meta": Form(
        headers=b"user-agent: facebookexternalua\r\nx-hub-signature-256: sha256=<signature>\r\n",
        signed=b"<body>",
        body=_message_body,
        id_ends=b":%b" % _TOLD_AT,
        no_fields=frozenset({b"time"}),
        more_fields=frozenset({b"batchid", b"batchindex", b"batchsize"}),
    ),
}
